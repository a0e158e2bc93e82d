DROP TABLE signing_keys;
DROP TABLE sessions;
DROP TABLE users;
DROP TABLE dispatch_areas;
DROP TYPE user_role;

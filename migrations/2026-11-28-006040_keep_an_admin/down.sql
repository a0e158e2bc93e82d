DROP TRIGGER users_keep_an_admin_on_truncate ON users;
DROP TRIGGER users_keep_an_admin_on_delete ON users;
DROP TRIGGER users_keep_an_admin_on_update ON users;
DROP FUNCTION keep_an_admin();
DROP TABLE admin_guard;
DROP FUNCTION is_usable_admin(users);

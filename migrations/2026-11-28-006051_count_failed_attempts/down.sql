DROP TABLE failed_attempts;
COMMENT ON COLUMN users.locked_until IS NULL;

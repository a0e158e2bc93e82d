-- The API key that something was done with. By its id alone: the name is read from api_keys, where
-- rows are never deleted, so that erasing a person has one place less to look at.

ALTER TABLE audit_logs ADD COLUMN api_key_id bigint;
COMMENT ON COLUMN audit_logs.api_key_id IS 'The key that was used; null for people who were signed in and for the system';
-- Rows without a key, nearly all of them, are in none of it.
CREATE INDEX audit_logs_api_key_id_idx ON ONLY audit_logs (api_key_id, id DESC) WHERE api_key_id IS NOT NULL;

ALTER TABLE imports ADD COLUMN api_key_id bigint;
COMMENT ON COLUMN imports.api_key_id IS 'The key that handed the file in, for the audit entries that the job writes later';

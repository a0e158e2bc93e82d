DROP TABLE data_keys;
-- Keys of the other algorithm mean nothing to what comes before; everybody signs in again.
DELETE FROM signing_keys WHERE algorithm <> 'HS256';
COMMENT ON COLUMN signing_keys.secret IS NULL;
COMMENT ON TABLE signing_keys IS 'HS256 keys of access tokens; the newest signs, all verify';
ALTER TABLE signing_keys
    DROP CONSTRAINT signing_keys_algorithm_check,
    DROP COLUMN algorithm;

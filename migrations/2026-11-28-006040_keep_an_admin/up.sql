-- At least one admin who can sign in exists at any time, whichever statement changes the users. A
-- lock after wrong passwords does not count: it ends by itself.

CREATE FUNCTION is_usable_admin(person users) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT person.role = 'admin' AND person.is_active AND person.anonymised_at IS NULL AND person.password_hash LIKE '$argon2%'
$$;

CREATE TABLE admin_guard (
    id      boolean NOT NULL DEFAULT true CONSTRAINT admin_guard_pkey PRIMARY KEY,
    changes bigint  NOT NULL DEFAULT 0,
    CONSTRAINT admin_guard_id_check CHECK (id)
);
COMMENT ON TABLE admin_guard IS 'One row. Every transaction that takes an admin away updates it, so that two of them run one after the other';

CREATE FUNCTION keep_an_admin() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    is_last boolean;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        is_last := EXISTS (SELECT FROM users u WHERE is_usable_admin(u));
    ELSE
        -- A transaction with an older snapshot than the last change of this row gets a
        -- serialization failure here, where a lock alone would let it count admins that are gone.
        INSERT INTO admin_guard (changes) VALUES (1) ON CONFLICT (id) DO UPDATE SET changes = admin_guard.changes + 1;
        is_last := NOT EXISTS (SELECT FROM users u WHERE is_usable_admin(u));
    END IF;
    IF is_last THEN
        RAISE EXCEPTION 'the last admin who can sign in can''t be removed'
            USING ERRCODE = 'check_violation', TABLE = 'users', CONSTRAINT = 'users_last_admin_check',
                  HINT = 'Make another person an admin first.';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER users_keep_an_admin_on_update AFTER UPDATE ON users DEFERRABLE INITIALLY IMMEDIATE
    FOR EACH ROW WHEN (is_usable_admin(OLD) AND NOT is_usable_admin(NEW)) EXECUTE FUNCTION keep_an_admin();
CREATE CONSTRAINT TRIGGER users_keep_an_admin_on_delete AFTER DELETE ON users DEFERRABLE INITIALLY IMMEDIATE
    FOR EACH ROW WHEN (is_usable_admin(OLD)) EXECUTE FUNCTION keep_an_admin();
CREATE TRIGGER users_keep_an_admin_on_truncate BEFORE TRUNCATE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION keep_an_admin();

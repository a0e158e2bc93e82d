-- Erasing a person: everything that is stored and names them, not a list of six places.
--
-- 1. anonymise_user() ends the account in one transaction and writes the names into `erasures`.
-- 2. The application calls the functions below until nothing holds the names, in steps of bounded
--    size; a process that is cut off leaves its row in `erasures`, and the next one goes on.
-- 3. finish_erasure() deletes that row. It was the last to hold the names.
--
-- Every column that can hold text has a rule in erasure_rules(); a test compares it with the schema.

CREATE TABLE erasures (
    user_id    bigint      NOT NULL CONSTRAINT erasures_pkey PRIMARY KEY,
    alias      text        NOT NULL,
    names      text[]      NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT erasures_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);
COMMENT ON TABLE erasures IS 'People whose names are being erased; a row is deleted when nothing else holds the names';
COMMENT ON COLUMN erasures.names IS 'User names and e-mail addresses that the person has had, in lower case';

-- What erasing does with each column that can hold text:
--   none       holds no name: codes, hashes, fixed words, what the server writes
--   own        of the person's rows it is cleared by anonymise_user()
--   audit      by erase_own_audit_entries() and erase_audit_mentions()
--   transient  is deleted with its job
--   prose      free text: the name is replaced where it stands as a word
--   fact       text about a shipment: as prose, but only names that can't be a place or a firm
--   prose[]    an array of prose
--   json       its strings, by their keys (erasure_treatment_of_key)
--   body       JSON as bytes
--   row        the row is deleted when the name stands in it
CREATE FUNCTION erasure_rules() RETURNS TABLE (table_name text, column_name text, treatment text, max_length integer)
    LANGUAGE sql IMMUTABLE AS $$
VALUES
    ('__diesel_schema_migrations', 'version', 'none', NULL),
    ('api_keys', 'name', 'prose', 100),
    ('api_keys', 'prefix', 'none', NULL),
    ('api_keys', 'scopes', 'none', NULL),
    ('api_keys', 'secret_hash', 'none', NULL),
    ('audit_archives', 'file', 'none', NULL),
    ('audit_logs', 'action', 'none', NULL),
    ('audit_logs', 'actor_name', 'audit', NULL),
    ('audit_logs', 'after', 'audit', NULL),
    ('audit_logs', 'before', 'audit', NULL),
    ('audit_logs', 'codes_by_area', 'none', NULL),
    ('audit_logs', 'entity_id', 'none', NULL),
    ('audit_logs', 'entity_type', 'none', NULL),
    ('audit_logs', 'ip', 'audit', NULL),
    ('audit_logs', 'request_id', 'audit', NULL),
    ('audit_logs', 'user_agent', 'audit', NULL),
    ('bag_formats', 'name', 'none', NULL),
    ('bag_formats', 'pattern', 'none', NULL),
    ('bags', 'name', 'prose', 200),
    ('bags', 'qr_code', 'none', NULL),
    ('bills', 'bill_number', 'none', NULL),
    ('bills', 'description', 'prose', 1000),
    ('bills', 'destination', 'fact', 200),
    ('bills', 'vehicle_number', 'fact', 32),
    ('data_keys', 'secret', 'none', NULL),
    ('dispatch_areas', 'code', 'none', NULL),
    ('dispatch_areas', 'name', 'prose', 100),
    ('erasures', 'alias', 'none', NULL),
    ('erasures', 'names', 'transient', NULL),
    ('failed_attempts', 'place', 'own', NULL),
    ('failed_attempts', 'scope', 'none', NULL),
    ('failed_attempts', 'subject', 'own', NULL),
    ('idempotency_keys', 'body', 'body', NULL),
    ('idempotency_keys', 'caller', 'none', NULL),
    ('idempotency_keys', 'etag', 'none', NULL),
    ('idempotency_keys', 'key', 'row', NULL),
    ('idempotency_keys', 'location', 'prose', NULL),
    ('idempotency_keys', 'request_hash', 'none', NULL),
    ('import_chunks', 'bytes', 'transient', NULL),
    ('import_errors', 'cells', 'prose[]', NULL),
    ('import_errors', 'code', 'none', NULL),
    ('import_errors', 'reason', 'prose', NULL),
    ('imports', 'columns', 'json', NULL),
    ('imports', 'error', 'prose', NULL),
    ('imports', 'error_code', 'none', NULL),
    ('imports', 'file_name', 'prose', 255),
    ('imports', 'ip', 'own', NULL),
    ('imports', 'request_id', 'own', NULL),
    ('imports', 'sheet', 'prose', 255),
    ('imports', 'user_agent', 'own', NULL),
    ('jobs', 'error', 'prose', NULL),
    ('jobs', 'kind', 'none', NULL),
    ('jobs', 'payload', 'json', NULL),
    ('jobs', 'progress', 'json', NULL),
    ('jobs', 'result', 'json', NULL),
    ('jobs', 'unique_key', 'none', NULL),
    ('notifications', 'code', 'none', NULL),
    ('notifications', 'link', 'prose', NULL),
    ('notifications', 'message', 'prose', NULL),
    ('notifications', 'parameters', 'json', NULL),
    ('notifications', 'title', 'prose', NULL),
    ('password_resets', 'token_hash', 'none', NULL),
    ('promotion_requests', 'closed_as', 'none', NULL),
    ('promotion_requests', 'note', 'prose', 1000),
    ('promotion_requests', 'reason', 'prose', 1000),
    ('recovery_codes', 'code_hash', 'none', NULL),
    ('scans', 'linked_parent_qr_code', 'none', NULL),
    ('scans', 'parent_qr_code', 'none', NULL),
    ('scans', 'qr_code', 'none', NULL),
    ('sessions', 'ip', 'own', NULL),
    ('sessions', 'previous_token_hash', 'none', NULL),
    ('sessions', 'revoked_reason', 'none', NULL),
    ('sessions', 'rotation_salt', 'none', NULL),
    ('sessions', 'token_hash', 'none', NULL),
    ('sessions', 'user_agent', 'own', NULL),
    ('signing_keys', 'algorithm', 'none', NULL),
    ('signing_keys', 'kid', 'none', NULL),
    ('signing_keys', 'secret', 'none', NULL),
    ('stat_counters', 'metric', 'none', NULL),
    ('users', 'email', 'own', NULL),
    ('users', 'language', 'none', NULL),
    ('users', 'password_hash', 'own', NULL),
    ('users', 'totp_secret', 'own', NULL),
    ('users', 'username', 'own', NULL)
$$;

-- What erasing does with a string in JSON: 'name' (it is a user name or an address, and nothing
-- else), or as in erasure_rules().
CREATE FUNCTION erasure_treatment_of_key(key text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN key IN ('username', 'email', 'actor', 'created_by', 'decided_by', 'undone_by', 'linked_by', 'added_by', 'revoked_by') THEN 'name'
        WHEN key IN ('destination', 'vehicle_number') THEN 'fact'
        WHEN key IN ('action', 'area', 'bill', 'bill_number', 'by', 'code', 'dispatch_area', 'entity_id', 'entity_type', 'field', 'format', 'kind',
                     'language', 'mail', 'method', 'mode', 'outcome', 'parent', 'parent_qr_code', 'pattern', 'prefix', 'priority', 'qr_code',
                     'qr_codes', 'role', 'route', 'scopes', 'source', 'status', 'type', 'wanted_role') THEN 'none'
        ELSE 'prose'
    END
$$;

CREATE FUNCTION regex_quote(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT regexp_replace(value, '([^[:alnum:]\u0080-\uFFFF])', '\\\1', 'g')
$$;

-- A pattern that finds each of these words where no letter or digit stands beside it, but not as
-- part of one of the other names: "ann" in "Ann's key" and "ann.csv", not in "Annual", and not in
-- "ann-2" when that is another user. Null without words.
CREATE FUNCTION regex_of_words(words text[], other_names text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    -- With the vowel signs of Indic scripts, which are parts of words too.
    letter   constant text := '[[:alnum:]\u0300-\u036F\u0900-\u0963\u0966-\u0DFF]';
    branches text[] := '{}';
    guards   text;
    around   text[];
    word     text;
    name     text;
BEGIN
    FOREACH word IN ARRAY words LOOP
        guards := '';
        FOREACH name IN ARRAY other_names LOOP
            around := regexp_match(name, format('^(.*?)(?<!%s)%s(?!%1$s)(.*)$', letter, regex_quote(word)), 'i');
            CONTINUE WHEN around IS NULL OR around[1] || around[2] = '';
            guards := guards || format('(?:%s(?!%s(?!%s)))',
                CASE WHEN around[1] <> '' THEN format('(?<!%s)|', regex_quote(around[1])) ELSE '' END,
                regex_quote(word || around[2]), letter);
        END LOOP;
        branches := branches || (guards || regex_quote(word));
    END LOOP;
    RETURN format('(?<!%s)(?:%s)(?!%1$s)', letter, nullif(array_to_string(branches, '|'), ''));
END
$$;

-- What an erasure looks for: the alias, the names themselves, and patterns of them. `any` finds
-- every name; `prose` those that are looked for in free text, `fact` those in facts of a shipment.
--
-- Not looked for in free text: names of fewer than three characters, of digits alone, and those
-- that are a word of the business (a role, a status, an area, a format), where they mean that.
-- In facts only names with a digit, dot, hyphen, underscore or @, which no place or firm has.
-- A name that another user has by now is that user's.
CREATE FUNCTION erasure_plan(person bigint) RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    erasure erasures;
    names   text[];
    words   text[];
    others  text[];
BEGIN
    SELECT * INTO erasure FROM erasures WHERE user_id = person;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    names := ARRAY(
        SELECT name FROM unnest(erasure.names) AS name
        WHERE NOT EXISTS (SELECT FROM users u WHERE u.id <> person AND name IN (lower(u.username), lower(u.email))));
    words := ARRAY(
        SELECT name FROM unnest(names) AS name
        WHERE char_length(name) >= 3 AND name ~ '[^0-9]' AND name <> 'packer'
          AND NOT EXISTS (SELECT FROM pg_enum WHERE enumlabel = name)
          AND NOT EXISTS (SELECT FROM dispatch_areas a WHERE name = lower(a.code) OR name = lower(a.name)
                            OR name = ANY(regexp_split_to_array(lower(a.name), '[^[:alnum:]]+')))
          AND NOT EXISTS (SELECT FROM bag_formats f WHERE name = lower(f.name)));
    others := ARRAY(
        SELECT name FROM (
            SELECT username AS name FROM users WHERE id <> person OR username = erasure.alias
            UNION SELECT email FROM users WHERE id <> person
            UNION SELECT unnest(e.names) FROM erasures e WHERE e.user_id <> person) AS o
        WHERE name ~* regex_of_words(names, '{}'));
    RETURN jsonb_build_object(
        'user_id', person, 'alias', erasure.alias, 'names', to_jsonb(names), 'any', regex_of_words(names, others),
        'prose', regex_of_words(words, others),
        'fact', regex_of_words(ARRAY(SELECT word FROM unnest(words) AS word WHERE word ~ '[0-9._@-]'), others));
END
$$;

CREATE FUNCTION erased_text(value text, treatment text, plan jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN treatment = 'name' AND plan->'names' ? lower(value) THEN plan->>'alias'
        WHEN treatment IN ('prose', 'fact') AND value ~* (plan->>treatment) THEN regexp_replace(value, plan->>treatment, plan->>'alias', 'gi')
        ELSE value
    END
$$;

CREATE FUNCTION erased_json(value jsonb, plan jsonb, treatment text DEFAULT 'prose') RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN CASE jsonb_typeof(value)
        WHEN 'object' THEN (SELECT coalesce(jsonb_object_agg(e.key, erased_json(e.value, plan, erasure_treatment_of_key(e.key))), '{}')
                            FROM jsonb_each(value) AS e)
        WHEN 'array' THEN (SELECT coalesce(jsonb_agg(erased_json(e.value, plan, treatment) ORDER BY e.n), '[]')
                           FROM jsonb_array_elements(value) WITH ORDINALITY AS e (value, n))
        WHEN 'string' THEN to_jsonb(erased_text(value #>> '{}', treatment, plan))
        ELSE value
    END;
END
$$;

CREATE FUNCTION erased_body(body bytea, plan jsonb) RETURNS bytea LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    content text := convert_from(body, 'UTF8');
BEGIN
    IF content ~* (plan->>'any') THEN
        RETURN convert_to(erased_json(content::jsonb, plan)::text, 'UTF8');
    END IF;
    RETURN body;
END
$$;

-- An audit entry in an archive, as to_jsonb() has written it.
CREATE FUNCTION erased_audit_entry(entry jsonb, plan jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT entry
        || jsonb_build_object('before', coalesce(erased_json(entry->'before', plan), 'null'), 'after', coalesce(erased_json(entry->'after', plan), 'null'))
        || CASE WHEN entry->>'actor_id' = plan->>'user_id'
                THEN jsonb_build_object('actor_name', plan->>'alias', 'ip', NULL, 'user_agent', NULL,
                                        'request_id', erased_text(entry->>'request_id', 'prose', plan))
                ELSE '{}' END
$$;

-- Entries of what the person did, from one id on. Returns the id to go on from; null when there are no more.
CREATE FUNCTION erase_own_audit_entries(person bigint, from_id uuid, most integer) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    plan jsonb := erasure_plan(person);
    ids  uuid[] := ARRAY(SELECT id FROM audit_logs WHERE actor_id = person AND id > from_id ORDER BY id LIMIT most);
BEGIN
    PERFORM set_config('traitortrack.maintenance', 'on', true);
    UPDATE audit_logs
    SET actor_name = plan->>'alias', ip = NULL, user_agent = NULL, request_id = erased_text(request_id, 'prose', plan),
        before = CASE WHEN before::text ~* (plan->>'any') THEN erased_json(before, plan) ELSE before END,
        after  = CASE WHEN after::text ~* (plan->>'any') THEN erased_json(after, plan) ELSE after END
    WHERE id = ANY(ids) AND actor_id = person AND plan IS NOT NULL
      AND (actor_name IS DISTINCT FROM plan->>'alias' OR ip IS NOT NULL OR user_agent IS NOT NULL);
    PERFORM set_config('traitortrack.maintenance', 'off', true);
    RETURN ids[cardinality(ids)];
END
$$;

-- Codes of bags that have or had the name in theirs: their entries are found by them, without reading those of all bags.
CREATE FUNCTION erasure_bag_codes(person bigint) RETURNS text[] LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    prose text := erasure_plan(person)->>'prose';
BEGIN
    RETURN ARRAY(
        SELECT qr_code FROM bags WHERE name ~* prose
        UNION
        -- In the words of audit_logs_action_idx.
        SELECT entity_id FROM audit_logs
        WHERE action IN ('bag_changed', 'bag_deleted') AND action NOT IN ('bag_created', 'child_linked')
          AND (before::text ~* prose OR after::text ~* prose));
END
$$;

-- Entries of one partition that name the person: all that are not about bags, which are few, and those about bags whose
-- name can hold it. Nothing is done when the partition is gone.
CREATE FUNCTION erase_audit_mentions(person bigint, partition text, codes text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    plan  jsonb := erasure_plan(person);
    scope text;
BEGIN
    IF plan IS NULL OR NOT EXISTS (SELECT FROM pg_partition_tree('audit_logs') WHERE relid = to_regclass(partition) AND isleaf) THEN
        RETURN;
    END IF;
    PERFORM set_config('traitortrack.maintenance', 'on', true);
    FOREACH scope IN ARRAY ARRAY['entity_type <> ''bag''', 'entity_type = ''bag'' AND entity_id = ANY($3)'] LOOP
        EXECUTE format(
            'UPDATE %I AS l SET before = n.before, after = n.after
             FROM (SELECT id, erased_json(before, $1) AS before, erased_json(after, $1) AS after FROM %1$I
                   WHERE %s AND (before::text ~* $2 OR after::text ~* $2)) AS n
             WHERE l.id = n.id AND (l.before, l.after) IS DISTINCT FROM (n.before, n.after)', partition, scope)
            USING plan, plan->>'any', codes;
    END LOOP;
    PERFORM set_config('traitortrack.maintenance', 'off', true);
END
$$;

-- All tables but the audit log, by their rules.
CREATE FUNCTION erase_from_tables(person bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    plan   jsonb := erasure_plan(person);
    rule   record;
    erased text;
    text_  text;
BEGIN
    FOR rule IN SELECT * FROM erasure_rules() WHERE treatment IN ('prose', 'fact', 'prose[]', 'json', 'body', 'row') LOOP
        IF rule.treatment = 'row' THEN
            EXECUTE format('DELETE FROM %I WHERE %I ~* $1', rule.table_name, rule.column_name) USING plan->>'prose';
            CONTINUE;
        END IF;
        erased := CASE rule.treatment
            WHEN 'json' THEN format('erased_json(%I, $1)', rule.column_name)
            WHEN 'body' THEN format('erased_body(%I, $1)', rule.column_name)
            WHEN 'prose[]' THEN format('ARRAY(SELECT erased_text(e.value, ''prose'', $1) FROM unnest(%I) WITH ORDINALITY AS e (value, n) ORDER BY e.n)',
                                       rule.column_name)
            ELSE format('left(erased_text(%I, %L, $1), %L)', rule.column_name, rule.treatment, coalesce(rule.max_length, 1000000))
        END;
        text_ := CASE rule.treatment WHEN 'body' THEN 'convert_from(%I, ''UTF8'')' ELSE '%I::text' END;
        EXECUTE format('UPDATE %I SET %I = %s WHERE ' || text_ || ' ~* $2 AND %2$I IS DISTINCT FROM %3$s',
                       rule.table_name, rule.column_name, erased, rule.column_name)
            USING plan, plan->>'any';
    END LOOP;
END
$$;

CREATE FUNCTION finish_erasure(person bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM erasures WHERE user_id = person
$$;

-- Ends the account and begins to erase the names.
CREATE OR REPLACE FUNCTION anonymise_user(person bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    alias text := 'deleted-' || person;
    n     integer := 1;
    known text[];
BEGIN
    PERFORM FROM users WHERE id = person AND anonymised_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- A user may have had this name before such names were reserved.
    WHILE EXISTS (SELECT FROM users WHERE id <> person AND lower(username) = alias) LOOP
        n := n + 1;
        alias := format('deleted-%s-%s', person, n);
    END LOOP;
    known := ARRAY(
        SELECT lower(name) FROM (
            SELECT unnest(ARRAY[username, email]) AS name FROM users WHERE id = person
            UNION
            SELECT unnest(ARRAY[before->>'username', before->>'email', after->>'username', after->>'email'])
            FROM audit_logs WHERE entity_type = 'user' AND entity_id = person::text) AS k
        WHERE name IS NOT NULL);
    -- Addresses of pages have them percent-encoded.
    known := ARRAY(SELECT DISTINCT unnest(known || ARRAY(SELECT replace(replace(name, '+', '%2b'), '@', '%40') FROM unnest(known) AS name)));
    INSERT INTO erasures (user_id, alias, names) VALUES (person, alias, known);

    UPDATE users SET username = alias, email = NULL, password_hash = '!', is_active = false, two_factor_enabled = false, totp_secret = NULL,
           totp_last_step = NULL, locked_until = NULL, anonymised_at = now(), version = version + 1
    WHERE id = person;
    UPDATE sessions SET ip = NULL, user_agent = NULL WHERE user_id = person;
    UPDATE imports SET ip = NULL, user_agent = NULL, request_id = NULL WHERE created_by = person;
    UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE user_id = person;
    DELETE FROM recovery_codes WHERE user_id = person;
    DELETE FROM password_resets WHERE user_id = person;
    DELETE FROM failed_attempts WHERE user_id = person;
    DELETE FROM notifications WHERE user_id = person;
    UPDATE promotion_requests SET reason = '(deleted)' WHERE user_id = person;
    DELETE FROM idempotency_keys
    WHERE caller = 'user:' || person OR caller IN (SELECT 'key:' || id FROM api_keys WHERE user_id = person);
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'traitortrack_app') THEN
        REVOKE INSERT, UPDATE, DELETE ON erasures FROM traitortrack_app;
        GRANT SELECT ON erasures TO traitortrack_app;
    END IF;
END
$$;

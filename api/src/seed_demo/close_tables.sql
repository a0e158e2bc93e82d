DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN SELECT close FROM seed_closing LOOP
        EXECUTE statement;
    END LOOP;
END
$$;

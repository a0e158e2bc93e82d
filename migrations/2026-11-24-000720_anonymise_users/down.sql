DROP FUNCTION anonymise_user(bigint);

ALTER TABLE api_keys DROP CONSTRAINT api_keys_of_creator_check;

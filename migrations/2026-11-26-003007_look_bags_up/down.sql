DROP FUNCTION bags_with_code_part;
DROP FUNCTION bags_made_since;

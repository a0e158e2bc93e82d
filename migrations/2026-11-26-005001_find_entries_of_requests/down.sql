DROP FUNCTION audit_entries_of_request(text);

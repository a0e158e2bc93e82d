DROP FUNCTION drop_audit_partition(text);

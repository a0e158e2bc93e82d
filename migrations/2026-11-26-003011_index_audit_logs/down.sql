DROP INDEX IF EXISTS audit_logs_action_idx;
DROP INDEX IF EXISTS audit_logs_entity_type_idx;
DROP INDEX IF EXISTS audit_logs_origin_idx;
DROP FUNCTION summarize_audit_origins;

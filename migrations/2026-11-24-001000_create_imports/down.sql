DROP TABLE import_errors;
DROP TABLE import_chunks;
DROP TABLE imports;
DROP TYPE import_format;
DROP TYPE import_mode;
DROP TYPE import_kind;

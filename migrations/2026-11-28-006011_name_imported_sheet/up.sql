ALTER TABLE imports ADD COLUMN sheet text;
ALTER TABLE imports ADD CONSTRAINT imports_sheet_check CHECK (char_length(sheet) <= 255);
COMMENT ON COLUMN imports.sheet IS 'Name of the sheet that is read of a workbook: its first visible worksheet';

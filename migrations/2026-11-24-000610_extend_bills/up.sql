-- Numbers of bills that nobody numbers by hand, and finding bills by part of what is written on them.

CREATE SEQUENCE bill_numbers;
CREATE INDEX bills_bill_number_trgm_idx ON bills USING gin (bill_number gin_trgm_ops);
CREATE INDEX bills_destination_trgm_idx ON bills USING gin (destination gin_trgm_ops);
CREATE INDEX bills_vehicle_number_trgm_idx ON bills USING gin (vehicle_number gin_trgm_ops);
CREATE INDEX bill_bags_added_by_idx ON bill_bags (added_by);

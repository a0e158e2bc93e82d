DROP INDEX bill_bags_added_by_idx;
DROP INDEX bills_vehicle_number_trgm_idx;
DROP INDEX bills_destination_trgm_idx;
DROP INDEX bills_bill_number_trgm_idx;
DROP SEQUENCE bill_numbers;

ALTER TABLE promotion_requests
    DROP CONSTRAINT promotion_requests_closed_as_check,
    DROP COLUMN closed_as;

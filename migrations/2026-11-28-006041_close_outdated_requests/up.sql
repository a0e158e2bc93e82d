-- Why a promotion request was closed, where no admin refused it.
ALTER TABLE promotion_requests
    ADD COLUMN closed_as text,
    ADD CONSTRAINT promotion_requests_closed_as_check CHECK (closed_as IS NULL OR (closed_as = 'role_not_higher' AND status = 'rejected'));
COMMENT ON COLUMN promotion_requests.closed_as IS 'Code of the problem that an approval was answered with';

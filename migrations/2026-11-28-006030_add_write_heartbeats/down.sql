DROP FUNCTION write_heartbeat(uuid);
DROP TABLE write_heartbeats;

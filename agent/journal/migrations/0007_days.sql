-- A day, looked back on: the orders that came in it, and what needed a person, from when until when.

CREATE INDEX events_received ON events (received_at) WHERE order_pk IS NOT NULL;

CREATE TABLE alarm_log (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    reason TEXT NOT NULL,           -- the first one: it may change while the alarm is up
    raised_at TEXT NOT NULL,
    cleared_at TEXT NOT NULL DEFAULT ''         -- '' while it is up
);
CREATE INDEX alarm_log_up ON alarm_log (key) WHERE cleared_at = '';
INSERT INTO alarm_log (key, reason, raised_at) SELECT key, reason, since FROM alarms;
CREATE TRIGGER alarms_raised AFTER INSERT ON alarms
WHEN NOT EXISTS (SELECT 1 FROM alarm_log WHERE key = new.key AND cleared_at = '') BEGIN
    INSERT INTO alarm_log (key, reason, raised_at) VALUES (new.key, new.reason, new.since);
    DELETE FROM alarm_log WHERE pk <= (SELECT max(pk) FROM alarm_log) - 1000;
END;
CREATE TRIGGER alarms_cleared AFTER DELETE ON alarms BEGIN
    UPDATE alarm_log SET cleared_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE key = old.key AND cleared_at = '';
END;

-- A ticket has a home and may be printed elsewhere; two may be in one printer; notices belong to no order;
-- a printer is known by more than its name; commands are answered once.

CREATE TABLE jobs_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    order_pk INTEGER REFERENCES orders (pk),    -- none: a notice to the staff
    event_pk INTEGER REFERENCES events (pk),
    rev INTEGER NOT NULL,
    kind TEXT NOT NULL,
    station TEXT NOT NULL,          -- of a notice: the printer that it speaks of
    home TEXT NOT NULL,             -- the printer of its station; '' while that has none
    printer TEXT NOT NULL,          -- the one that has it, or had it last
    copy INTEGER NOT NULL,
    copies INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    mark TEXT,
    number INTEGER NOT NULL DEFAULT 0,
    flight INTEGER CHECK (flight IN (0, 1)),    -- it may be in its printer: as the first, or as the second one
    print_number INTEGER NOT NULL DEFAULT 0,    -- of its last attempt: what its token is made of
    intent TEXT,                    -- JSON, on disk before the first byte; kept until the doubt is settled
    reason TEXT NOT NULL DEFAULT '',
    share BLOB NOT NULL,            -- JSON: this station's part of the order, as it was routed when the order came
    created_at TEXT NOT NULL
);
INSERT INTO jobs_new SELECT id, order_pk, event_pk, rev, kind, station, printer, printer, copy, copies, state, attempt,
    mark, number, CASE WHEN intent IS NOT NULL THEN 0 END, 0, intent, reason, share, created_at FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_new RENAME TO jobs;
CREATE UNIQUE INDEX jobs_in_flight ON jobs (printer, flight) WHERE flight IS NOT NULL;
CREATE INDEX jobs_open ON jobs (home, id) WHERE state IN ('pending', 'held', 'processing', 'unconfirmed');
CREATE INDEX jobs_of_order ON jobs (order_pk);
CREATE TRIGGER jobs_moved AFTER UPDATE OF state ON jobs WHEN old.state <> new.state BEGIN
    INSERT INTO moves (job_id, old, new, reason) VALUES (new.id, old.state, new.state, new.reason);
END;

ALTER TABLE printers ADD COLUMN port TEXT NOT NULL DEFAULT '';      -- where it is plugged in
ALTER TABLE printers ADD COLUMN device TEXT NOT NULL DEFAULT '';    -- what the cable says that it is
ALTER TABLE printers ADD COLUMN model TEXT NOT NULL DEFAULT '';     -- what it calls itself, and its serial number
ALTER TABLE printers ADD COLUMN firmware TEXT NOT NULL DEFAULT '';

CREATE TABLE commands (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    ok INTEGER NOT NULL,
    answer TEXT NOT NULL,
    at TEXT NOT NULL
) WITHOUT ROWID;

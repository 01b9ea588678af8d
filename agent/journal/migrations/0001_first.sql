-- The ledger's first shape. The schema guards the machine: what must never be twice is unique here.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE events (
    pk INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    digest TEXT NOT NULL,
    order_pk INTEGER REFERENCES orders (pk),
    rev INTEGER,
    kind TEXT NOT NULL,             -- upsert, cancel, ping
    payload BLOB NOT NULL,          -- the event's data as canonical JSON
    received_at TEXT NOT NULL,
    UNIQUE (source, id)
);
CREATE UNIQUE INDEX events_revision ON events (order_pk, rev, kind) WHERE order_pk IS NOT NULL;

CREATE TABLE orders (
    pk INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    order_id TEXT NOT NULL,
    number TEXT NOT NULL,
    rev INTEGER NOT NULL,
    canceled INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    UNIQUE (channel, order_id)
);

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    order_pk INTEGER NOT NULL REFERENCES orders (pk),
    event_pk INTEGER NOT NULL REFERENCES events (pk),
    rev INTEGER NOT NULL,
    kind TEXT NOT NULL,
    station TEXT NOT NULL,
    printer TEXT NOT NULL,          -- '' while the station has none
    copy INTEGER NOT NULL,
    copies INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    mark TEXT,
    number INTEGER NOT NULL DEFAULT 0,
    intent TEXT,                    -- JSON, on disk before the first byte; kept until the doubt is settled
    reason TEXT NOT NULL DEFAULT '',
    share BLOB NOT NULL,            -- JSON: this station's part of the order, as it was routed when the order came
    created_at TEXT NOT NULL
);
CREATE UNIQUE INDEX jobs_one_in_flight ON jobs (printer) WHERE intent IS NOT NULL;
CREATE INDEX jobs_open ON jobs (printer, id) WHERE state IN ('pending', 'held', 'processing', 'unconfirmed');
CREATE INDEX jobs_of_order ON jobs (order_pk);

CREATE TABLE moves (
    pk INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL,
    old TEXT NOT NULL,
    new TEXT NOT NULL,
    reason TEXT NOT NULL,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE TRIGGER jobs_moved AFTER UPDATE OF state ON jobs WHEN old.state <> new.state BEGIN
    INSERT INTO moves (job_id, old, new, reason) VALUES (new.id, old.state, new.state, new.reason);
END;

CREATE TABLE parked (
    pk INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    digest TEXT NOT NULL UNIQUE,    -- the same bytes again are the same fault
    path TEXT NOT NULL,
    reason TEXT NOT NULL,
    received_at TEXT NOT NULL
);

CREATE TABLE cursors (
    source TEXT PRIMARY KEY,
    last INTEGER NOT NULL           -- all sequences up to here are in the journal
) WITHOUT ROWID;
CREATE TABLE ahead (
    source TEXT NOT NULL,
    sequence INTEGER NOT NULL,      -- in the journal, but something before it is missing
    PRIMARY KEY (source, sequence)
) WITHOUT ROWID;

CREATE TABLE printers (
    name TEXT PRIMARY KEY,
    link TEXT NOT NULL,
    tier INTEGER NOT NULL,          -- what it was seen to prove
    realtime TEXT NOT NULL,         -- each n of DLE EOT n that it answers: 1234
    counters INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE numbers (
    name TEXT PRIMARY KEY,          -- 'prints' (tokens), or a station
    day TEXT NOT NULL,
    number INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE alarms (
    key TEXT PRIMARY KEY,           -- such as printer:kitchen:paper
    reason TEXT NOT NULL,
    since TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE outbox (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    body BLOB NOT NULL,
    at TEXT NOT NULL
);

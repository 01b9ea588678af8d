-- An accepted order may wait before it becomes tickets; and how far a gap in the counting was waited for.

CREATE TABLE waits (
    n INTEGER PRIMARY KEY AUTOINCREMENT,        -- in order of arrival
    order_pk INTEGER NOT NULL UNIQUE REFERENCES orders (pk),
    why TEXT NOT NULL CHECK (why IN ('gap', 'old', 'flood', 'upcoming', 'failed', 'freed')),
    until TEXT,                     -- when it shall be printed, UTC; of an upcoming order, also of one held for a flood
    source TEXT NOT NULL DEFAULT '',
    sequence INTEGER,               -- its place in the source's counting
    late INTEGER NOT NULL DEFAULT 0,
    missing TEXT NOT NULL DEFAULT '',           -- what should have come before it: 42 44-47
    old INTEGER NOT NULL DEFAULT 0,             -- minutes
    mark TEXT,
    told INTEGER NOT NULL DEFAULT 0             -- the staff has it on a summary ticket
);
CREATE INDEX waits_why ON waits (why, source, sequence);

ALTER TABLE cursors ADD COLUMN passed INTEGER NOT NULL DEFAULT 0;   -- all up to here came, or were waited for in vain

-- What the kitchen has finished, a station's part of an order at a time; and what the cloud was told of that.

CREATE TABLE bumps (
    n INTEGER PRIMARY KEY AUTOINCREMENT,        -- in the order in which they were finished
    order_pk INTEGER NOT NULL REFERENCES orders (pk),
    station TEXT NOT NULL,
    rev INTEGER NOT NULL,           -- of the ticket that was finished: one of another revision is not
    bumped_at TEXT NOT NULL,
    who TEXT NOT NULL,
    UNIQUE (order_pk, station)
);
CREATE TABLE readies (
    order_pk INTEGER PRIMARY KEY REFERENCES orders (pk),
    rev INTEGER NOT NULL            -- the newest revision that the cloud was told is ready
);

-- Commands are forgotten in the order in which they came: a box without a clock battery may believe in any year.

ALTER TABLE commands ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
CREATE INDEX commands_number ON commands (number);

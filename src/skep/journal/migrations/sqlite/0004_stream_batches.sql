-- A row of the stream holds `count` items, numbered from `number` on: their data, divided by newlines.
-- The data of a row that holds one item, as all of them did, may have any bytes in it.

ALTER TABLE stream ADD COLUMN count INTEGER NOT NULL DEFAULT 1;

-- Pruning sums up counts; they stand behind the data, which an index saves it to read.
DROP INDEX stream_by_log;
CREATE INDEX stream_by_log ON stream (log, id, count);

-- Of messages that say what makes them one and the same, a log takes one at a time.

ALTER TABLE inbox ADD COLUMN once TEXT;

CREATE UNIQUE INDEX inbox_once ON inbox (log, once) WHERE once IS NOT NULL;

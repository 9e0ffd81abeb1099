-- The directory: keys that are found without knowing their log. It is kept in the commit of the events.

CREATE TABLE directory (
    kind     TEXT    NOT NULL,
    key      TEXT    NOT NULL,
    log      TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;

CREATE INDEX directory_in_order ON directory (kind, position, version);
CREATE INDEX directory_by_log ON directory (log, kind, position, version);
CREATE INDEX directory_by_subject ON directory (log, kind, subject);

-- The first schema knew tokens of sessions only.
INSERT OR REPLACE INTO directory (kind, key, log, subject, version, position)
SELECT 'token', json_extract(event.value, '$.nonce'), log, json_extract(event.value, '$.nonce'), version + event.key, position
FROM log_rows, json_each(CAST(events AS TEXT)) AS event
WHERE log >= 'session:' AND log < 'session;' AND json_extract(event.value, '$.kind') = 'session_attached';

DELETE FROM directory WHERE (log, key) IN (
    SELECT log, json_extract(event.value, '$.nonce')
    FROM log_rows, json_each(CAST(events AS TEXT)) AS event
    WHERE log >= 'session:' AND log < 'session;' AND json_extract(event.value, '$.kind') = 'token_revoked'
);

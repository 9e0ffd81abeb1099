-- The first schema: logs, runs, leases, inbox, stream and artifacts.
-- Times are milliseconds since the epoch.

-- "skep" as a number: how a store is told from any other SQLite file.
PRAGMA application_id = 0x736b6570;

CREATE TABLE migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    sha256     TEXT    NOT NULL,
    applied_at INTEGER NOT NULL
);

-- One lease a log. The row stays when the lease is given back, so that generations only grow.
CREATE TABLE leases (
    log        TEXT    PRIMARY KEY,
    generation INTEGER NOT NULL,
    owner      TEXT,
    pid        INTEGER NOT NULL,
    started    INTEGER NOT NULL,
    boot       TEXT    NOT NULL,
    host       TEXT    NOT NULL,
    namespace  TEXT    NOT NULL,
    since      INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX leases_held ON leases (owner) WHERE owner IS NOT NULL;

-- The truth. A row holds `count` events of one log, from `version` on, as a JSON array.
-- AUTOINCREMENT: a position is never used twice, even when rows are pruned.
CREATE TABLE log_rows (
    position   INTEGER PRIMARY KEY AUTOINCREMENT,
    log        TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    events     BLOB    NOT NULL,
    UNIQUE (log, version)
);

-- Fencing: an owner whose lease was taken over cannot append, even before the new owner has appended.
CREATE TRIGGER log_rows_fence BEFORE INSERT ON log_rows
WHEN (SELECT generation FROM leases WHERE log = NEW.log) > NEW.generation
BEGIN
    SELECT RAISE(ABORT, 'fenced');
END;

CREATE TABLE runs (
    run_id       TEXT    PRIMARY KEY,
    log          TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    ended        INTEGER NOT NULL,
    blueprint    TEXT    NOT NULL,
    blueprint_id TEXT    NOT NULL,
    work_dir     TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    steps        INTEGER NOT NULL,
    error        TEXT
);

CREATE INDEX runs_newest ON runs (created_at, run_id);
CREATE INDEX runs_by_status ON runs (status, created_at, run_id);
CREATE INDEX runs_open ON runs (created_at, run_id) WHERE ended = 0;

CREATE TABLE inbox (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    log  TEXT    NOT NULL,
    at   INTEGER NOT NULL,
    body BLOB    NOT NULL
);

CREATE INDEX inbox_by_log ON inbox (log, id);

-- Partial output and progress: best effort, pruned first.
CREATE TABLE stream (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    log     TEXT    NOT NULL,
    task_id TEXT    NOT NULL,
    attempt INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    version INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    data    BLOB    NOT NULL
);

CREATE INDEX stream_by_log ON stream (log, id);

-- The bytes are files beside the store; a row says that its file is complete.
CREATE TABLE blobs (
    sha256 TEXT    PRIMARY KEY,
    size   INTEGER NOT NULL,
    at     INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE mentions (
    log    TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (log, sha256)
) WITHOUT ROWID;

-- The state of one local host: what the Durable extension would keep in a task hub.
-- Instants are microseconds since 1970-01-01 UTC (columns *_us). Texts called input, result or state are JSON.

-- One row for each orchestration instance. `id` is ours and never reused for another execution's rows; `instance_id` is the app's.
CREATE TABLE instance (
  id                  INTEGER PRIMARY KEY,
  instance_id         TEXT NOT NULL UNIQUE CHECK (instance_id <> '' AND substr(instance_id, 1, 1) <> '@'),
  execution_id        TEXT NOT NULL CHECK (execution_id <> ''),
  name                TEXT NOT NULL CHECK (name <> ''),
  version             TEXT NOT NULL,
  status              TEXT NOT NULL CHECK (status IN
                        ('Pending', 'Running', 'Suspended', 'ContinuedAsNew', 'Completed', 'Failed', 'Terminated')),
  input               TEXT,
  custom_status       TEXT,
  output              TEXT,
  created_us          INTEGER NOT NULL,
  updated_us          INTEGER NOT NULL,
  parent_instance_id  TEXT,
  parent_execution_id TEXT,
  parent_task_id      INTEGER,
  CHECK (updated_us >= created_us),
  -- Only an instance that is over has an outcome.
  CHECK (output IS NULL OR status IN ('Completed', 'Failed', 'Terminated')),
  -- A parent is known wholly or not at all.
  CHECK ((parent_instance_id IS NULL) = (parent_execution_id IS NULL)
     AND (parent_instance_id IS NULL) = (parent_task_id IS NULL))
) STRICT;

-- Lists and bulk purges ask for a span of creation times.
CREATE INDEX instance_created ON instance (created_us);

-- The history, in pieces: one row for what one commit added to one instance. `events` is a JSON array,
-- `sequence` the number of its first event, so no two pieces can claim the same place.
CREATE TABLE history (
  instance INTEGER NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
  sequence INTEGER NOT NULL CHECK (sequence >= 0),
  events   TEXT NOT NULL CHECK (json_valid(events)),
  PRIMARY KEY (instance, sequence)
) STRICT;

-- Messages accepted for an instance and not yet part of its history. What a turn both receives and consumes is never here.
CREATE TABLE inbox (
  id           INTEGER PRIMARY KEY,
  instance     INTEGER NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
  execution_id TEXT,  -- only for this execution; null: for whichever runs (events, terminate)
  event        TEXT NOT NULL CHECK (json_valid(event))
) STRICT;

CREATE INDEX inbox_instance ON inbox (instance, id);

-- Activities that are owed a result. Leased: some run of the host is executing it. The row goes with its result's commit.
CREATE TABLE activity (
  id              INTEGER PRIMARY KEY,
  instance        INTEGER NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
  task_id         INTEGER NOT NULL CHECK (task_id >= 0),
  name            TEXT NOT NULL,
  input           TEXT,
  leased_by       TEXT,
  leased_until_us INTEGER,
  CHECK ((leased_by IS NULL) = (leased_until_us IS NULL)),
  -- The first result wins because there is only one row to delete.
  UNIQUE (instance, task_id)
) STRICT;

CREATE INDEX activity_pending ON activity (id) WHERE leased_by IS NULL;

-- Timers that have not fired. Cancelled ones stay until they fire or their instance ends, as on Azure.
CREATE TABLE timer (
  instance INTEGER NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
  task_id  INTEGER NOT NULL CHECK (task_id >= 0),
  fire_us  INTEGER NOT NULL,
  PRIMARY KEY (instance, task_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX timer_due ON timer (fire_us);

-- Entities that exist. `entity_id` is '@name@key', the name in lower case. A deleted entity has no row.
CREATE TABLE entity (
  id         INTEGER PRIMARY KEY,
  entity_id  TEXT NOT NULL UNIQUE CHECK (entity_id LIKE '@_%@%'),
  state      TEXT,
  created_us INTEGER NOT NULL,
  updated_us INTEGER NOT NULL,
  CHECK (updated_us >= created_us)
) STRICT;

-- Operations accepted for an entity and not yet executed, in the order of their ids.
-- The entity may not exist yet: its first operation creates it.
CREATE TABLE operation (
  id                  INTEGER PRIMARY KEY,
  entity_id           TEXT NOT NULL CHECK (entity_id LIKE '@_%@%'),
  name                TEXT NOT NULL,
  input               TEXT,
  request_id          TEXT,
  caller_instance_id  TEXT,
  caller_execution_id TEXT,
  -- A call has someone to answer; a signal has no one.
  CHECK ((request_id IS NULL) = (caller_instance_id IS NULL)
     AND (request_id IS NULL) = (caller_execution_id IS NULL))
) STRICT;

CREATE INDEX operation_entity ON operation (entity_id, id);

-- When each timer-triggered function last ran and is due next, so that a missed occurrence is noticed after a restart.
CREATE TABLE timer_trigger (
  name    TEXT PRIMARY KEY CHECK (name <> ''),
  last_us INTEGER,
  next_us INTEGER
) STRICT, WITHOUT ROWID;

-- What a turn reads and writes. One named statement each; the sentence above it says what it is for.

-- instance_by_id
-- The instance with the app's id.
SELECT id, instance_id, execution_id, name, version, status, input, custom_status, output, created_us, updated_us,
       parent_instance_id, parent_execution_id, parent_task_id
  FROM instance WHERE instance_id = ?;

-- instance_by_row
-- The same by our number: results and timers know only that.
SELECT id, instance_id, execution_id, name, version, status, input, custom_status, output, created_us, updated_us,
       parent_instance_id, parent_execution_id, parent_task_id
  FROM instance WHERE id = ?;

-- instance_history
-- The pieces of one history, oldest first.
SELECT sequence, events FROM history WHERE instance = ? ORDER BY sequence;

-- instance_inbox
-- What waits to be delivered to one instance, oldest first.
SELECT id, execution_id, event FROM inbox WHERE instance = ? ORDER BY id;

-- instance_activities
-- The activities one instance waits for.
SELECT task_id, id FROM activity WHERE instance = ?;

-- entity_by_id
-- One entity's state.
SELECT id, state, created_us, updated_us FROM entity WHERE entity_id = ?;

-- entity_operations
-- What waits to be executed by one entity, oldest first.
SELECT name, input, request_id, caller_instance_id, caller_execution_id, id
  FROM operation WHERE entity_id = ? ORDER BY id;

-- insert_instance
-- A new instance, or the successor of a finished one that was deleted just before.
INSERT INTO instance (id, instance_id, execution_id, name, version, status, input, custom_status, output, created_us,
                      updated_us, parent_instance_id, parent_execution_id, parent_task_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- update_instance
-- What one or more episodes made of a running instance. No row: somebody else ended it, and the turn must not commit.
UPDATE instance SET status = ?, custom_status = ?, output = ?, updated_us = ?
 WHERE id = ? AND execution_id = ? AND status IN ('Pending', 'Running', 'Suspended', 'ContinuedAsNew');

-- renew_instance
-- Continue as new, or rewind: another execution, or an ended one that runs again.
UPDATE instance SET execution_id = ?, status = ?, input = ?, custom_status = ?, output = ?, created_us = ?, updated_us = ?
 WHERE id = ? AND execution_id = ? AND status = ?;

-- delete_instance
-- With its history, inbox, activities and timers (they cascade).
DELETE FROM instance WHERE id = ?;

-- insert_history
INSERT INTO history (instance, sequence, events) VALUES (?, ?, ?);

-- delete_history
-- Continue as new starts an empty history.
DELETE FROM history WHERE instance = ?;

-- insert_inbox
INSERT INTO inbox (id, instance, execution_id, event) VALUES (?, ?, ?, ?);

-- delete_inbox
DELETE FROM inbox WHERE id = ?;

-- delete_instance_inbox
-- What is still undelivered when an instance ends is dropped.
DELETE FROM inbox WHERE instance = ?;

-- insert_activity
INSERT INTO activity (id, instance, task_id, name, input, leased_by, leased_until_us) VALUES (?, ?, ?, ?, ?, ?, ?);

-- delete_activity
-- Its result is in the history from this commit on.
DELETE FROM activity WHERE id = ?;

-- delete_instance_activities
-- Results of activities for an instance that is over are discarded.
DELETE FROM activity WHERE instance = ?;

-- pending_activities
-- The oldest activities that nobody executes.
SELECT a.id, a.instance, i.instance_id, i.execution_id, a.task_id, a.name, a.input
  FROM activity AS a INDEXED BY activity_pending JOIN instance AS i ON i.id = a.instance
 WHERE a.leased_by IS NULL ORDER BY a.id LIMIT ?;

-- lease_activity
-- Guarded: only what is still pending.
UPDATE activity SET leased_by = ?, leased_until_us = ? WHERE id = ? AND leased_by IS NULL;

-- insert_timer
INSERT INTO timer (instance, task_id, fire_us) VALUES (?, ?, ?);

-- delete_timer
DELETE FROM timer WHERE instance = ? AND task_id = ?;

-- delete_instance_timers
DELETE FROM timer WHERE instance = ?;

-- due_timers
-- The timers that are due, longest overdue first.
SELECT instance, task_id, fire_us FROM timer WHERE fire_us <= ? ORDER BY fire_us LIMIT ?;

-- next_timer
-- When the next timer is due.
SELECT fire_us FROM timer ORDER BY fire_us LIMIT 1;

-- insert_entity
INSERT INTO entity (id, entity_id, state, created_us, updated_us) VALUES (?, ?, ?, ?, ?);

-- update_entity
UPDATE entity SET state = ?, updated_us = ? WHERE id = ?;

-- delete_entity
DELETE FROM entity WHERE id = ?;

-- insert_operation
INSERT INTO operation (id, entity_id, name, input, request_id, caller_instance_id, caller_execution_id)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- delete_operation
DELETE FROM operation WHERE id = ?;

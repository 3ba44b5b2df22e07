-- What the host asks once, when it starts.

-- void_leases
-- Nobody else can be running: the state file is held by one host at a time. What earlier runs leased is owed again.
UPDATE activity SET leased_by = NULL, leased_until_us = NULL WHERE leased_by IS NOT NULL;

-- leased_activities
-- After a commit of which it is unknown whether it was kept: what the file says is being executed.
SELECT id FROM activity WHERE leased_by IS NOT NULL;

-- release_activity
UPDATE activity SET leased_by = NULL, leased_until_us = NULL WHERE id = ?;

-- instances_with_messages
SELECT DISTINCT instance FROM inbox ORDER BY instance;

-- entities_with_operations
SELECT DISTINCT entity_id FROM operation ORDER BY entity_id;

-- last_ids
-- The highest number in use in each table whose numbers the host gives out.
SELECT (SELECT coalesce(max(id), 0) FROM instance), (SELECT coalesce(max(id), 0) FROM inbox),
       (SELECT coalesce(max(id), 0) FROM activity), (SELECT coalesce(max(id), 0) FROM entity),
       (SELECT coalesce(max(id), 0) FROM operation);

-- read_timer_trigger
SELECT last_us, next_us FROM timer_trigger WHERE name = ?;

-- write_timer_trigger
INSERT INTO timer_trigger (name, last_us, next_us) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET last_us = excluded.last_us, next_us = excluded.next_us;

-- What status, list and purge requests ask. Entities are listed among the instances, as on Azure, with their state as input.

-- list_instances
-- One page of orchestrations in the order of their ids. Null means: any. :statuses is a JSON array.
SELECT instance_id, name, status, input, custom_status, output, created_us, updated_us
  FROM instance
 WHERE instance_id > :after
   AND (:prefix IS NULL OR (instance_id >= :prefix AND instance_id < :prefix_end))
   AND (:created_from_us IS NULL OR created_us >= :created_from_us)
   AND (:created_to_us IS NULL OR created_us <= :created_to_us)
   AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
 ORDER BY instance_id LIMIT :top;

-- list_recent_instances
-- The same for a span of creation times: reads only that span, however much is older.
SELECT instance_id, name, status, input, custom_status, output, created_us, updated_us
  FROM instance INDEXED BY instance_created
 WHERE created_us >= :created_from_us
   AND (:created_to_us IS NULL OR created_us <= :created_to_us)
   AND instance_id > :after
   AND (:prefix IS NULL OR (instance_id >= :prefix AND instance_id < :prefix_end))
   AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
 ORDER BY instance_id LIMIT :top;

-- list_entities
-- One page of entities in the order of their ids. :prefix is '@name@', '@' or longer.
SELECT entity_id, state, created_us, updated_us
  FROM entity
 WHERE entity_id > :after AND entity_id >= :prefix AND entity_id < :prefix_end
   AND (:updated_from_us IS NULL OR updated_us >= :updated_from_us)
   AND (:updated_to_us IS NULL OR updated_us <= :updated_to_us)
   AND (:created_from_us IS NULL OR created_us >= :created_from_us)
   AND (:created_to_us IS NULL OR created_us <= :created_to_us)
 ORDER BY entity_id LIMIT :top;

-- finished_created_between
-- Candidates of a bulk purge: ended instances of a span of creation times, oldest first.
SELECT id, instance_id FROM instance
 WHERE created_us >= :created_from_us
   AND (:created_to_us IS NULL OR created_us <= :created_to_us)
   AND status IN ('Completed', 'Failed', 'Terminated')
   AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
   AND (:prefix IS NULL OR (instance_id >= :prefix AND instance_id < :prefix_end))
 ORDER BY created_us LIMIT :top;

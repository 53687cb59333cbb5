#!lua flags=allow-oom
-- ARGV: rules, id, who asked (JSON). Nothing of the job stays; a worker that still has it finds its attempt lost.
local id = ARGV[2]
if parent_of(id) then return 'ok' end
local state = redis.call('HGET', job_key(id), 'state')
if state then
  local facts = cjson.decode(ARGV[3])
  facts.state = state
  witness('deleted', id, facts)
end
drop_shards(id)
each_blob(id, function(key) redis.call('DEL', key) end)
local idem = redis.call('HGET', job_key(id), 'idem')
if redis.call('ZSCORE', ACTIVE, id) then leave_batch(id) end
if idem and idem ~= '' then redis.call('DEL', idem_key(idem)) end
local made = redis.call('HMGET', job_key(id), 'owner', 'digest')
local result = made[1] and result_key(made[1], made[2])
if result and redis.call('GET', result) == id then redis.call('DEL', result) end
redis.call('DEL', job_key(id), blob_key(id, 'checkpoint'), gone_key(id))
for _, index in ipairs({ACTIVE, JOBS, EXPIRY, OUTBOX.webhook, OUTBOX.archive}) do redis.call('ZREM', index, id) end
return 'ok'

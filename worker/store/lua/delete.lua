#!lua flags=allow-oom
-- ARGV: rules, id. Nothing of the job stays; a worker that still has it finds its attempt lost.
local id = ARGV[2]
each_blob(id, function(key) redis.call('DEL', key) end)
local idem = redis.call('HGET', job_key(id), 'idem')
if idem and idem ~= '' then redis.call('DEL', idem_key(idem)) end
redis.call('DEL', job_key(id), blob_key(id, 'checkpoint'), gone_key(id))
for _, index in ipairs({ACTIVE, JOBS, EXPIRY}) do redis.call('ZREM', index, id) end
return 'ok'

#!lua
-- ARGV: rules, id, kind, payload, digest, idempotency hash or '', correlation id, owner, total, image
-- The only script that is refused at maxmemory: what was accepted can always be ended.
local id, idem = ARGV[2], ARGV[6]
if redis.call('EXISTS', job_key(id)) == 1 then return {'created', id} end -- the same call, sent again by the client library
if idem ~= '' then
  local old = redis.call('HMGET', idem_key(idem), 'id', 'digest')
  if old[1] then return {old[2] == ARGV[5] and 'same' or 'conflict', old[1]} end
end
if redis.call('ZCARD', ACTIVE) >= RULES.max_queue then return {'full', ''} end
redis.call('HSET', job_key(id), 'kind', ARGV[3], 'payload', ARGV[4], 'digest', ARGV[5], 'idem', idem,
  'correlation_id', ARGV[7], 'owner', ARGV[8], 'total', ARGV[9], 'done', 0, 'base', 0, 'state', 'queued', 'attempt', 0,
  'returned', 0, 'sends', 0, 'created_at', NOW, 'names', 'image')
redis.call('SET', blob_key(id, 'image'), ARGV[10])
if idem ~= '' then redis.call('HSET', idem_key(idem), 'id', id, 'digest', ARGV[5]) end
redis.call('ZADD', ACTIVE, NOW + RULES.resend, id)
redis.call('ZADD', JOBS, NOW, id)
count('created')
return {'created', id}

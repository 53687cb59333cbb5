#!lua flags=allow-oom
-- ARGV: rules, id of a shard, attempt, counts. Returns also the job, if this was the last of its shards: it is queued again.
local id, attempt = ARGV[2], ARGV[3]
local key = job_key(id)
local now = redis.call('HMGET', key, 'state', 'attempt', 'parent', 'total')
local again = now[1] == 'succeeded' and now[2] == attempt -- the same call, sent again by the client library
if not again then
  if not holds(id, attempt) then
    count('fenced')
    return {'lost'}
  end
  redis.call('SET', counts_key(id), ARGV[4])
  redis.call('DEL', blob_key(id, 'checkpoint'))
  note(id, now[4], now[4])
  redis.call('HSET', key, 'state', 'succeeded')
  redis.call('ZREM', SHARDS, id)
  if redis.call('HINCRBY', job_key(now[3]), 'pending', -1) == 0 then requeue(now[3], NOW + RULES.resend) end
end
if number(now[3], 'pending') > 0 then return {'ok'} end
return {'ok', now[3]}

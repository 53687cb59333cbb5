#!lua flags=allow-oom
-- ARGV: rules, id, attempt, checkpoint, then id, payload and total of every shard
-- Returns the shards. The job waits for its shards without a lease, as long as its deadline lets it, and no attempt holds it any more.
local id, attempt = ARGV[2], ARGV[3]
local key = job_key(id)
local now = redis.call('HMGET', key, 'attempt', 'shards', 'correlation_id', 'owner', 'total', 'deadline')
if now[1] == attempt and now[2] then return shards_of(id) end -- the same call, sent again
if not holds(id, attempt) then
  count('fenced')
  return {}
end
local shards, left = {}, 0 -- left: what the shards will do; the rest of the total was done before
for i = 5, #ARGV, 3 do
  local shard, total = ARGV[i], ARGV[i + 2]
  redis.call('HSET', job_key(shard), 'kind', 'shard', 'parent', id, 'payload', ARGV[i + 1], 'digest', '', 'idem', '',
    'correlation_id', now[3], 'owner', now[4], 'total', total, 'done', 0, 'base', 0, 'state', 'queued', 'attempt', 0,
    'returned', 0, 'sends', 0, 'created_at', NOW, 'names', '', 'webhook', '', 'batch', '', 'source', '')
  redis.call('ZADD', SHARDS, NOW + RULES.resend, shard)
  table.insert(shards, shard)
  left = left + total
end
local done = math.max(0, now[5] - left)
redis.call('SET', blob_key(id, 'checkpoint'), ARGV[4])
redis.call('HSET', key, 'state', 'waiting', 'shards', table.concat(shards, ' '), 'pending', #shards,
  'lease_until', now[6], 'done', done, 'base', done, 'claimed_at', NOW, 'beat_at', NOW)
redis.call('HINCRBY', key, 'returned', 1) -- this attempt is not held against the job
redis.call('ZADD', ACTIVE, now[6], id)
count('split')
return shards

#!lua flags=allow-oom
-- ARGV: rules, id, worker, nonce (one per call, so that the same call sent twice is one claim)
local id = ARGV[2]
local key = job_key(id)
local state = redis.call('HGET', key, 'state')
if not state then return {'gone'} end
if state == 'cancelled' then return {'cancelled'} end
if state == 'succeeded' or state == 'failed' then return {'finished'} end
if state == 'waiting' or (state == 'running' and redis.call('HGET', key, 'nonce') ~= ARGV[4]) then
  local verdict = lapse(id)
  if verdict == 'deadline' then return {'finished'} end
  if verdict ~= 'queued' then return {verdict} end
  state = 'queued'
end
if state == 'queued' then
  redis.call('HINCRBY', key, 'attempt', 1)
  redis.call('HSETNX', key, 'started_at', NOW)
  redis.call('HSET', key, 'state', 'running', 'worker', ARGV[3], 'nonce', ARGV[4], 'lease_until', NOW + RULES.lease,
    'deadline', NOW + RULES.deadline, 'claimed_at', NOW, 'beat_at', NOW, 'base', redis.call('HGET', key, 'done'))
  redis.call('ZADD', active(id), NOW + math.min(RULES.lease, RULES.deadline), id)
end
local found = redis.call('HMGET', key, 'attempt', 'kind', 'payload', 'correlation_id')
local parts = {}
for _, shard in ipairs(shards_of(id)) do table.insert(parts, redis.call('GET', counts_key(shard))) end
return {'claimed', found[1], found[2], found[3], found[4], redis.call('GET', blob_key(parent_of(id) or id, 'image')),
  redis.call('GET', blob_key(id, 'checkpoint')), parts}

#!lua flags=allow-oom
-- ARGV: rules, id, attempt, done, total (0 while the attempt does not know), and a checkpoint if there is a new one
local id, attempt = ARGV[2], ARGV[3]
local key = job_key(id)
local now = redis.call('HMGET', key, 'state', 'attempt')
if now[2] ~= attempt then return 'lost' end
if now[1] == 'cancelled' then return 'cancelled' end
if now[1] == 'failed' and NOW >= number(id, 'deadline') then return 'deadline' end
if now[1] ~= 'running' then return 'lost' end
if NOW >= number(id, 'deadline') then return lapse(id) end
local lease = NOW + RULES.lease
redis.call('HSET', key, 'lease_until', lease, 'beat_at', NOW)
if ARGV[5] ~= '0' then note(id, ARGV[4], ARGV[5]) end
redis.call('ZADD', active(id), math.min(lease, number(id, 'deadline')), id)
if ARGV[6] then redis.call('SET', blob_key(id, 'checkpoint'), ARGV[6]) end
return 'ok'

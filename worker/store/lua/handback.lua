#!lua flags=allow-oom
-- ARGV: rules, id, attempt, and a checkpoint if there is a new one
-- Due at once, so the next pass of any reconciler sends it. The fence has moved on; the attempt is not held against the job.
local id, attempt = ARGV[2], ARGV[3]
local key = job_key(id)
local now = redis.call('HMGET', key, 'state', 'attempt')
if now[1] == 'queued' and now[2] == attempt then return 'ok' end
if not holds(id, attempt) then return 'lost' end
redis.call('HINCRBY', key, 'returned', 1)
if ARGV[4] then redis.call('SET', blob_key(id, 'checkpoint'), ARGV[4]) end
requeue(id, NOW)
count('handed_back')
return 'ok'

#!lua flags=allow-oom
-- ARGV: rules, id, who asked (JSON). The worker learns of it by its next beat.
local id = ARGV[2]
local state = not parent_of(id) and redis.call('HGET', job_key(id), 'state')
if not state then return redis.call('EXISTS', gone_key(id)) == 1 and 'expired' or 'unknown' end
if state == 'succeeded' or state == 'failed' then return 'finished' end
if state ~= 'cancelled' then close(id, 'cancelled', nil, cjson.decode(ARGV[3])) end
return 'ok'

#!lua flags=allow-oom
-- ARGV: rules, id, attempt, problem (JSON)
local id, attempt = ARGV[2], ARGV[3]
local now = redis.call('HMGET', job_key(id), 'state', 'attempt')
if now[1] == 'failed' and now[2] == attempt then return 'ok' end
if not holds(id, attempt) then
  count('fenced')
  return 'lost'
end
close(id, 'failed', ARGV[4])
return 'ok'

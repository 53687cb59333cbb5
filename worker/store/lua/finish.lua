#!lua flags=allow-oom
-- ARGV: rules, id, attempt, what the statistics shall count and what the audit log shall say (both JSON), then name and bytes of every blob
local id, attempt = ARGV[2], ARGV[3]
local key = job_key(id)
local now = redis.call('HMGET', key, 'state', 'attempt')
if now[1] == 'succeeded' and now[2] == attempt then return 'ok' end -- the same call, sent again by the client library
if not holds(id, attempt) then
  count('fenced')
  return 'lost'
end
local names = redis.call('HGET', key, 'names')
for i = 6, #ARGV, 2 do
  redis.call('SET', blob_key(id, ARGV[i]), ARGV[i + 1])
  names = names .. ' ' .. ARGV[i]
end
for event, many in pairs(cjson.decode(ARGV[4])) do
  if event == 'samples' then many = math.max(0, many - number(id, 'done')) end -- the beats have counted the others
  count(event, many)
end
redis.call('HSET', key, 'names', names, 'done', redis.call('HGET', key, 'total'))
close(id, 'succeeded', nil, cjson.decode(ARGV[5]))
local made = redis.call('HMGET', key, 'owner', 'digest', 'expires_at')
redis.call('SET', result_key(made[1], made[2]), id, 'PXAT', made[3])
return 'ok'

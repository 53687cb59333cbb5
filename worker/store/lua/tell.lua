#!lua flags=allow-oom
-- ARGV: rules, the most jobs. The jobs whose end is to be told now, each put off to its next try: a sender that dies costs a try.
local WAITS = {30, 150, 600, 2700, 60} -- seconds after the first try, the second, ...; the last is for the answer to come in
local due = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', HOOKS, '-inf', NOW, 'LIMIT', 0, tonumber(ARGV[2]))) do
  local known = redis.call('EXISTS', job_key(id)) == 1
  local wait = known and WAITS[redis.call('HINCRBY', job_key(id), 'told', 1)]
  if wait then
    redis.call('ZADD', HOOKS, NOW + wait * 1000, id)
    table.insert(due, id)
  else
    redis.call('ZREM', HOOKS, id)
    count('webhooks_failed')
  end
end
return due

#!lua flags=allow-oom
-- ARGV: rules, kind of mail, the most jobs. The jobs whose mail is due, each put off to its next try: a sender that dies costs a try.
local kind = ARGV[2]
-- Seconds after the first try, the second, ...; the last is for the answer to come in. An archive is tried until the job expires.
local WAITS = {webhook = {30, 150, 600, 2700, 60}, archive = {30, 60, 120, 300, 600}}
local due = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', OUTBOX[kind], '-inf', NOW, 'LIMIT', 0, tonumber(ARGV[3]))) do
  local waits = WAITS[kind]
  local known = redis.call('EXISTS', job_key(id)) == 1
  local tries = known and redis.call('HINCRBY', job_key(id), 'tries_' .. kind, 1)
  local wait = known and (waits[tries] or (kind == 'archive' and waits[#waits]))
  if wait then
    redis.call('ZADD', OUTBOX[kind], NOW + wait * 1000, id)
    table.insert(due, id)
  else
    post(kind, id, false)
  end
end
return due

#!lua flags=allow-oom
-- ARGV: rules, the most entries to look at. Returns the ids to be sent again.
local most = tonumber(ARGV[2])
local send = {}
local function look_at(index, id)
  local state = redis.call('HGET', job_key(id), 'state')
  if state == 'queued' then
    -- Each time waits twice as long, up to 32 times: a long queue must not fill itself with copies of its messages.
    local sends = number(id, 'sends')
    redis.call('HSET', job_key(id), 'sends', sends + 1)
    redis.call('ZADD', index, NOW + RULES.resend * 2 ^ math.min(sends, 5), id)
    count('resent')
    table.insert(send, id)
  elseif state == 'running' or state == 'waiting' then
    local verdict = lapse(id)
    if verdict == 'queued' then
      table.insert(send, id)
    elseif verdict == 'held' then
      redis.call('ZADD', index, math.min(number(id, 'lease_until'), number(id, 'deadline')), id)
    end
  else
    redis.call('ZREM', index, id)
  end
end

for _, index in ipairs({ACTIVE, SHARDS}) do
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', NOW, 'LIMIT', 0, most)) do look_at(index, id) end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', EXPIRY, '-inf', NOW, 'LIMIT', 0, most)) do
  for _, index in ipairs({EXPIRY, JOBS, OUTBOX.webhook, OUTBOX.archive}) do redis.call('ZREM', index, id) end
end
return send

#!lua flags=allow-oom
-- ARGV: rules, who, cost, limit, window in ms. A fixed window per client: {1 or 0, what is left, ms to the next window}.
local key, cost, limit = 'surety:rate:' .. ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local used = tonumber(redis.call('GET', key) or '0')
local admitted = used + cost <= limit
if admitted then
  used = redis.call('INCRBY', key, cost)
  redis.call('PEXPIRE', key, ARGV[5], 'NX')
end
return {admitted and 1 or 0, math.max(limit - used, 0), math.max(redis.call('PTTL', key), 0)}

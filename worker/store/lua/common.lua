-- Put before every script. ARGV[1] is the rules (JSON, times in milliseconds), ARGV[2] mostly a job's id.
-- Keys are made here and not passed in: the store is one server, never a cluster.
local RULES = cjson.decode(ARGV[1])
local GONE_MS = 7 * 24 * 3600 * 1000 -- how long an expired id still answers "expired" and not "not found"
local ACTIVE, JOBS, EXPIRY, STATS = 'surety:active', 'surety:jobs', 'surety:expiry', 'surety:stats'

local function job_key(id) return 'surety:job:' .. id end
local function blob_key(id, name) return 'surety:blob:' .. id .. ':' .. name end
local function gone_key(id) return 'surety:gone:' .. id end
local function idem_key(hash) return 'surety:idem:' .. hash end

local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local NOW = clock()

local function number(id, field) return tonumber(redis.call('HGET', job_key(id), field) or '0') end
local function count(event) redis.call('HINCRBY', STATS, event, 1) end

local function each_blob(id, action)
  for name in string.gmatch(redis.call('HGET', job_key(id), 'names') or '', '%S+') do action(blob_key(id, name)) end
end

-- The final state: the record, its blobs and its idempotency key get one and the same end.
local function close(id, state, problem)
  local expires = NOW + RULES.ttl
  redis.call('HSET', job_key(id), 'state', state, 'finished_at', NOW, 'expires_at', expires)
  if problem then redis.call('HSET', job_key(id), 'error', problem) end
  redis.call('DEL', blob_key(id, 'checkpoint'))
  each_blob(id, function(key) redis.call('PEXPIREAT', key, expires) end)
  local idem = redis.call('HGET', job_key(id), 'idem')
  if idem ~= '' then redis.call('PEXPIREAT', idem_key(idem), expires) end
  redis.call('PEXPIREAT', job_key(id), expires)
  redis.call('SET', gone_key(id), '1', 'PXAT', expires + GONE_MS)
  redis.call('ZREM', ACTIVE, id)
  redis.call('ZADD', EXPIRY, expires, id)
  count(state)
end

-- Back to the queue. `due` is when the reconciler shall look at it again.
local function requeue(id, due)
  redis.call('HSET', job_key(id), 'state', 'queued', 'lease_until', 0, 'sends', 0)
  redis.call('ZADD', ACTIVE, due, id)
end

-- What time has done to a running job: 'held', 'queued' (again), 'exhausted' or 'deadline'.
-- Hand-backs are not held against a job: only attempts that ended their worker count.
local function lapse(id)
  if NOW >= number(id, 'deadline') then
    close(id, 'failed', RULES.deadline_problem)
    return 'deadline'
  end
  if NOW < number(id, 'lease_until') then return 'held' end
  count('leases_expired')
  if number(id, 'attempt') - number(id, 'returned') >= RULES.max_attempts then
    close(id, 'failed', RULES.exhausted_problem)
    return 'exhausted'
  end
  requeue(id, NOW + RULES.resend)
  return 'queued'
end

-- The fence: only the attempt that holds the job may change it.
local function holds(id, attempt)
  local now = redis.call('HMGET', job_key(id), 'state', 'attempt')
  return now[1] == 'running' and now[2] == attempt
end

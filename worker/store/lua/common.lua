-- Put before every script. ARGV[1] is the rules (JSON, times in milliseconds), ARGV[2] mostly a job's id.
-- Keys are made here and not passed in: the store is one server, never a cluster.
local RULES = cjson.decode(ARGV[1])
local GONE_MS = 7 * 24 * 3600 * 1000 -- how long an expired id still answers "expired" and not "not found"
local ACTIVE, JOBS, EXPIRY, STATS = 'surety:active', 'surety:jobs', 'surety:expiry', 'surety:stats'
local SHARDS = 'surety:shards' -- as ACTIVE, for the shards of split jobs: they are no jobs to a client or to the queue's limit
-- Jobs whose end is still to be told, and whose results are still to be stored, by the time of the next try.
local OUTBOX = {webhook = 'surety:hooks', archive = 'surety:stores'}
local AUDIT = 'surety:audit' -- events on their way to the audit log

local function job_key(id) return 'surety:job:' .. id end
local function blob_key(id, name) return 'surety:blob:' .. id .. ':' .. name end
local function gone_key(id) return 'surety:gone:' .. id end -- holds the owner: to others it was never there
local function counts_key(id) return 'surety:counts:' .. id end
local function idem_key(hash) return 'surety:idem:' .. hash end
local function batch_key(id) return 'surety:batch:' .. id end
local function result_key(owner, digest) return 'surety:result:' .. owner .. ':' .. digest end

local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local NOW = clock()

local function number(id, field) return tonumber(redis.call('HGET', job_key(id), field) or '0') end
local function count(event, many) redis.call('HINCRBY', STATS, event, many or 1) end
local function parent_of(id) return redis.call('HGET', job_key(id), 'parent') end
local function active(id) return parent_of(id) and SHARDS or ACTIVE end

local function shards_of(id)
  local found = {}
  for shard in string.gmatch(redis.call('HGET', job_key(id), 'shards') or '', '%S+') do table.insert(found, shard) end
  return found
end

-- Nothing of the shards of a job is left; a worker that still has one finds its attempt lost.
local function drop_shards(id)
  for _, shard in ipairs(shards_of(id)) do
    redis.call('DEL', job_key(shard), blob_key(shard, 'checkpoint'), counts_key(shard))
    redis.call('ZREM', SHARDS, shard)
  end
  redis.call('HDEL', job_key(id), 'shards', 'pending')
end

-- How far a job is. What a shard has done its job has done.
local function note(id, done, total)
  local parent = parent_of(id)
  if done - number(id, 'done') > 0 then count('samples', done - number(id, 'done')) end
  if parent then
    redis.call('HINCRBY', job_key(parent), 'done', done - number(id, 'done'))
    redis.call('HSET', job_key(parent), 'beat_at', NOW)
  end
  redis.call('HSET', job_key(id), 'done', done, 'total', total)
end

local function each_blob(id, action)
  for name in string.gmatch(redis.call('HGET', job_key(id), 'names') or '', '%S+') do action(blob_key(id, name)) end
end

-- The last job of a batch to end gives the batch its own end.
local function leave_batch(id)
  local batch = redis.call('HGET', job_key(id), 'batch') or ''
  if batch == '' or redis.call('EXISTS', batch_key(batch)) == 0 then return end
  if redis.call('HINCRBY', batch_key(batch), 'open', -1) > 0 then return end
  redis.call('PEXPIREAT', batch_key(batch), NOW + RULES.ttl)
  local idem = redis.call('HGET', batch_key(batch), 'idem') or ''
  if idem ~= '' then redis.call('PEXPIREAT', idem_key(idem), NOW + RULES.ttl) end
end

-- An event for the audit log, in the same step as the change itself: none is lost, and none is invented.
local function witness(event, id, facts)
  local job = redis.call('HMGET', job_key(id), 'owner', 'kind', 'correlation_id')
  facts.owner, facts.kind, facts.request = job[1], job[2], facts.request or job[3]
  redis.call('XADD', AUDIT, '*', 'event', event, 'job', id, 'facts', cjson.encode(facts))
end

-- The final state: the record, its blobs and its idempotency key get one and the same end. A shard that fails fails its
-- job, and no shard outlives its job.
local function close(id, state, problem, facts)
  id = parent_of(id) or id
  facts = facts or {}
  drop_shards(id)
  local expires = NOW + RULES.ttl
  redis.call('HSET', job_key(id), 'state', state, 'finished_at', NOW, 'expires_at', expires)
  if problem then
    redis.call('HSET', job_key(id), 'error', problem)
    facts.code = cjson.decode(problem).code
  end
  redis.call('DEL', blob_key(id, 'checkpoint'))
  each_blob(id, function(key) redis.call('PEXPIREAT', key, expires) end)
  local idem = redis.call('HGET', job_key(id), 'idem')
  if idem ~= '' then redis.call('PEXPIREAT', idem_key(idem), expires) end
  redis.call('PEXPIREAT', job_key(id), expires)
  redis.call('SET', gone_key(id), redis.call('HGET', job_key(id), 'owner'), 'PXAT', expires + GONE_MS)
  redis.call('ZREM', ACTIVE, id)
  redis.call('ZADD', EXPIRY, expires, id)
  leave_batch(id)
  for kind, index in pairs(OUTBOX) do
    local asked = (redis.call('HGET', job_key(id), kind) or '') ~= ''
    if asked and (kind == 'webhook' or state == 'succeeded') then redis.call('ZADD', index, NOW, id) end
  end
  count(state)
  witness(facts.source and 'reused' or state, id, facts)
end

-- What became of a job's mail. A record that has expired must not come back as a stump.
local function post(kind, id, taken)
  redis.call('ZREM', OUTBOX[kind], id)
  if kind == 'webhook' then
    count(taken and 'webhooks_sent' or 'webhooks_failed')
  else
    if redis.call('EXISTS', job_key(id)) == 1 then redis.call('HSET', job_key(id), 'stored', taken and 'stored' or 'failed') end
    count(taken and 'results_stored' or 'results_not_stored')
  end
end

-- Back to the queue. `due` is when the reconciler shall look at it again.
local function requeue(id, due)
  redis.call('HSET', job_key(id), 'state', 'queued', 'lease_until', 0, 'sends', 0)
  redis.call('ZADD', active(id), due, id)
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

#!lua
-- ARGV: rules, kind, payload, idempotency hash or '', its digest, correlation id, owner, total, mail (JSON: webhook and archive), batch or '',
-- then for every job its id, digest, source (a job whose result it may take over, or ''), image and what the audit log shall say (JSON).
-- The only script that is refused at maxmemory: what was accepted can always be ended. All jobs are made, or none.
local idem, batch, mail = ARGV[4], ARGV[10], cjson.decode(ARGV[9])
local known = batch ~= '' and batch or ARGV[11]
if redis.call('EXISTS', job_key(ARGV[11])) == 1 then return {'created', known} end -- the same call, sent again by the client library
if idem ~= '' then
  local old = redis.call('HMGET', idem_key(idem), 'id', 'digest')
  if old[1] then return {old[2] == ARGV[5] and 'same' or 'conflict', old[1]} end
end

local function answers(source, digest)
  local found = source ~= '' and redis.call('HMGET', job_key(source), 'state', 'digest', 'owner', 'kind') or {}
  return found[1] == 'succeeded' and found[2] == digest and found[3] == ARGV[7] and found[4] == ARGV[2]
end

local waiting, ids = 0, {}
for i = 11, #ARGV, 5 do
  table.insert(ids, ARGV[i])
  if not answers(ARGV[i + 2], ARGV[i + 1]) then waiting = waiting + 1 end
end
if waiting > 0 and redis.call('ZCARD', ACTIVE) + waiting > RULES.max_queue then return {'full', ''} end
if batch ~= '' then
  redis.call('HSET', batch_key(batch), 'owner', ARGV[7], 'created_at', NOW, 'open', #ids, 'idem', idem,
    'jobs', table.concat(ids, ' '))
end
if idem ~= '' then redis.call('HSET', idem_key(idem), 'id', known, 'digest', ARGV[5]) end
for i = 11, #ARGV, 5 do
  local id, digest, source = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  -- A batch has one idempotency key for many jobs: it stays until the batch goes.
  redis.call('HSET', job_key(id), 'kind', ARGV[2], 'payload', ARGV[3], 'digest', digest, 'idem', batch == '' and idem or '',
    'correlation_id', ARGV[6], 'owner', ARGV[7], 'total', ARGV[8], 'done', 0, 'base', 0, 'state', 'queued', 'attempt', 0,
    'returned', 0, 'sends', 0, 'created_at', NOW, 'names', 'image', 'webhook', mail.webhook, 'archive', mail.archive, 'batch', batch, 'source', '')
  redis.call('SET', blob_key(id, 'image'), ARGV[i + 3])
  redis.call('ZADD', JOBS, NOW, id)
  count('created')
  witness('submitted', id, cjson.decode(ARGV[i + 4]))
  if answers(source, digest) then
    for name in string.gmatch(redis.call('HGET', job_key(source), 'names'), '%S+') do
      redis.call('COPY', blob_key(source, name), blob_key(id, name))
    end
    redis.call('HSET', job_key(id), 'names', redis.call('HGET', job_key(source), 'names'), 'done', ARGV[8], 'source', source)
    count('reused')
    close(id, 'succeeded', nil, {source = source})
  else
    redis.call('ZADD', ACTIVE, NOW + RULES.resend, id)
  end
end
return {'created', known}

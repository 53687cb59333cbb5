#!lua flags=allow-oom
-- ARGV: rules, the audit log's head before or '', its head now, then the ids of the events that were written to it
local HEAD = 'surety:audit:head'
local head = redis.call('GET', HEAD) or ''
if head == ARGV[3] then return 'ok' end -- the same call, sent again by the client library
if head ~= ARGV[2] then return 'other' end
redis.call('SET', HEAD, ARGV[3])
for i = 4, #ARGV do redis.call('XDEL', AUDIT, ARGV[i]) end
return 'ok'

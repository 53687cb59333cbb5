#!lua
-- ARGV: rules, id of an API key, the key (JSON), event, what the audit log shall say (JSON)
local KEYRING = 'surety:keys'
if redis.call('HGET', KEYRING, ARGV[2]) == ARGV[3] then return 'ok' end -- the same call, sent again by the client library
redis.call('HSET', KEYRING, ARGV[2], ARGV[3])
redis.call('XADD', AUDIT, '*', 'event', ARGV[4], 'job', '', 'facts', ARGV[5])
return 'ok'

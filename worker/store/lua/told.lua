#!lua flags=allow-oom
-- ARGV: rules, kind of mail, id, 'yes' or 'no'. No more tries: it was taken, or will never be.
if redis.call('ZSCORE', OUTBOX[ARGV[2]], ARGV[3]) then post(ARGV[2], ARGV[3], ARGV[4] == 'yes') end
return 'ok'

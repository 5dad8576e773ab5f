"""The scripts: each is one step, on keys of one slot, all of which it is told.

A row is a hash, and the index of a user a sorted set: the ids of their sessions by the time at
which they began. A hash with the field ``to`` is no row, but says with which tag the row is; a
script returns that tag, and does nothing. A row with the field ``parked`` is moving to SQL, to
another slot, or to a new key: it can be read, and a script that would write it returns the field.
Times are microseconds since 1970, by the clocks of the applications, as in the database engine: a
server's clock may jump at a fail-over.

A server that has taken over, or that was told ``SCRIPT FLUSH``, does not know the scripts; the
client sends them again.
"""

KEEP_INDEX = """
local function keep_index(index, ttl)
  if redis.call('PTTL', index) < ttl then redis.call('PEXPIRE', index, ttl) end
end
local function stay_listed(index, row, began_at, ttl)
  -- A server without room may have evicted the index, though each row is in use.
  redis.call('ZADD', index, began_at, string.sub(row, -43))
  keep_index(index, ttl)
end
"""

TAKE_OVER = """
local function take_over(from, to, is_last)
  -- What was saved under the old key since the copy goes on. With "is_last", nothing more is.
  local old = redis.call(
    'HMGET', from, 'version', 'data', 'methods', 'authenticated_at', 'expires_at')
  local new = redis.call('HMGET', to, 'version', 'methods_before', 'expires_at')
  if not old[1] or not new[1] then return end
  if is_last then redis.call('HSET', from, 'parked', string.sub(to, -43)) end
  if tonumber(old[1]) > tonumber(new[1]) then
    redis.call('HSET', to, 'version', old[1], 'data', old[2])
    if tonumber(old[5]) > tonumber(new[3]) then
      redis.call('HSET', to, 'expires_at', old[5])
      redis.call('PEXPIRE', to, redis.call('PTTL', from))
    end
  end
  if new[2] and new[2] ~= old[3] then
    -- A proof was taken back since. It may be the very one that the new key was for.
    local version = math.max(tonumber(old[1]), tonumber(new[1])) + 1
    redis.call('HSET', to, 'version', string.format('%d', version),
      'methods', old[3], 'authenticated_at', old[4], 'methods_before', old[3])
  end
end
"""

TELL = """
local function tell(first)
  -- Whoever may not publish has no bus, and their scripts work.
  for i = first, #ARGV do redis.pcall('PUBLISH', ARGV[first - 1], ARGV[i]) end
end
"""

ADD = (
    KEEP_INDEX
    + """
-- KEYS: row, index | ARGV: milliseconds to keep it, id, when it began, has a user, limit, fields...
-- 0: the id is taken. Else the ids of the user's others, the oldest first, if they are too many.
local ttl, limit = tonumber(ARGV[1]), tonumber(ARGV[5])
if redis.call('EXISTS', KEYS[1]) == 1 then
  -- Unless this is the same call, made again since its answer was lost.
  if redis.call('HGET', KEYS[1], ARGV[6]) ~= ARGV[7] then return 0 end
else
  redis.call('HSET', KEYS[1], unpack(ARGV, 6))
  redis.call('PEXPIRE', KEYS[1], ttl)
end
if ARGV[4] == '0' then return {} end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
keep_index(KEYS[2], ttl)
if limit < 0 or redis.call('ZCARD', KEYS[2]) <= limit then return {} end
local others = redis.call('ZRANGE', KEYS[2], 0, -1)
return others
"""
)

WRITE = (
    KEEP_INDEX
    + TAKE_OVER
    + """
-- KEYS: row, index, the row before it if this one is known to count
-- ARGV: now, milliseconds to keep it, whether it belongs into the index, number of conditions,
--   conditions (field, value)..., fields (field, value)...
-- 0: there is no such row, 1: written, 3: a condition does not hold;
-- {"to", tag}: it is elsewhere, {"after", id}: it counts only if that one was renewed to it,
-- {"parked", by}: it must not be written now.
local row = redis.call('HMGET', KEYS[1], 'to', 'after', 'expires_at', 'parked', 'created_at')
if row[1] then return {'to', row[1]} end
if not row[3] or tonumber(row[3]) <= tonumber(ARGV[1]) then return 0 end
if row[2] and not KEYS[3] then return {'after', row[2]} end
if row[4] then return {'parked', row[4]} end
if row[2] then take_over(KEYS[3], KEYS[1], true) end
local conditions = tonumber(ARGV[4])
for i = 5, 3 + 2 * conditions, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then return 3 end
end
redis.call('HSET', KEYS[1], unpack(ARGV, 5 + 2 * conditions))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if ARGV[3] == '1' then stay_listed(KEYS[2], KEYS[1], row[5], tonumber(ARGV[2])) end
return 1
"""
)

MARK = (
    KEEP_INDEX
    + """
-- KEYS: row, index | ARGV: now, field of the time, its new value, due if recorded until,
--   milliseconds to keep it or 0, fields...
local row = redis.call(
  'HMGET', KEYS[1], 'to', 'expires_at', ARGV[2], 'user_id', 'parked', 'created_at')
if row[1] then return {'to', row[1]} end
if not row[2] or tonumber(row[2]) <= tonumber(ARGV[1]) then return 0 end
local last = tonumber(row[3])
if last and last > tonumber(ARGV[4]) and last <= tonumber(ARGV[3]) then return 0 end
if row[5] then return {'parked', row[5]} end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3], unpack(ARGV, 6))
local ttl = tonumber(ARGV[5])
if ttl > 0 then
  redis.call('PEXPIRE', KEYS[1], ttl)
  if row[4] ~= '' then stay_listed(KEYS[2], KEYS[1], row[6], ttl) end
end
return 1
"""
)

COPY = (
    KEEP_INDEX
    + TAKE_OVER
    + """
-- KEYS: row, new row, index, the row before it if this one is known to count
-- ARGV: now, id, new id, has a user, milliseconds to keep it,
--   methods that the row must have or "", fields...
-- 1: the new row is there, and counts once the tombstone of the old one names it.
if KEYS[4] then take_over(KEYS[4], KEYS[1], true) end
local row = redis.call('HMGET', KEYS[1], 'to', 'expires_at', 'created_at', 'methods')
if row[1] then return {'to', row[1]} end
if not row[2] or tonumber(row[2]) <= tonumber(ARGV[1]) then return 0 end
if ARGV[6] ~= '' and ARGV[6] ~= row[4] then return 0 end
redis.call('HSET', KEYS[2], unpack(redis.call('HGETALL', KEYS[1])))
redis.call('HSET', KEYS[2], 'after', ARGV[2], 'methods_before', row[4], unpack(ARGV, 7))
redis.call('HDEL', KEYS[2], 'parked')
local ttl = tonumber(ARGV[5])
redis.call('PEXPIRE', KEYS[2], ttl)
if ARGV[4] ~= '0' then
  redis.call('ZADD', KEYS[3], row[3], ARGV[3])
  keep_index(KEYS[3], ttl)
end
return 1
"""
)

SETTLE = (
    TAKE_OVER
    + TELL
    + """
-- KEYS: row, new row, index | ARGV: id, channel, what to tell...
if redis.call('HGET', KEYS[2], 'after') == ARGV[1] then take_over(KEYS[1], KEYS[2]) end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[2], 'after', 'methods_before')
tell(3)
return 1
"""
)

REMOVE = """
-- KEYS: row, index | ARGV: id, conditions (field, value)...
-- 1: removed, 0: it was not there, or a condition does not hold.
local to = redis.call('HGET', KEYS[1], 'to')
if to then return {'to', to} end
for i = 2, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then return 0 end
end
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])
"""

CLEAR = (
    TELL
    + """
-- KEYS: index, rows... | ARGV: how many, their ids..., channel, what to tell...
local last = 1 + tonumber(ARGV[1])
redis.call('ZREM', KEYS[1], unpack(ARGV, 2, last))
redis.call('DEL', unpack(KEYS, 2))
tell(last + 2)
return 1
"""
)

POINT = """
-- KEYS: row | ARGV: tag, milliseconds to keep it
-- 1: whoever looks here finds where the row is, 0: there is a row, or one elsewhere.
if redis.call('EXISTS', KEYS[1]) == 1 then
  if redis.call('HGET', KEYS[1], 'to') == ARGV[1] then return 1 end
  return 0
end
redis.call('HSET', KEYS[1], 'to', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""

PUT = (
    KEEP_INDEX
    + """
-- KEYS: place, index | ARGV: milliseconds to keep it, when it began or "", fields...
-- Whatever was there is replaced.
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
if ARGV[2] ~= '' then stay_listed(KEYS[2], KEYS[1], ARGV[2], tonumber(ARGV[1])) end
return 1
"""
)

PARK = """
-- KEYS: row | ARGV: by whom
-- The row, which nobody can write from now on; nothing if there is none that is settled.
local version, after = unpack(redis.call('HMGET', KEYS[1], 'version', 'after'))
-- With "after", what was saved under the old key may be lacking.
if not version or after then return {} end
-- Whoever has read it before must read it again.
redis.call('HSET', KEYS[1], 'version', tonumber(version) + 1, 'parked', ARGV[1])
return redis.call('HGETALL', KEYS[1])
"""

UNPARK = """
-- KEYS: row | ARGV: by whom
if redis.call('HGET', KEYS[1], 'parked') ~= ARGV[1] then return 0 end
return redis.call('HDEL', KEYS[1], 'parked')
"""

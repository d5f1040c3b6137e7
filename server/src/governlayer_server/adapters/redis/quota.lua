-- One request spends from all its buckets or from none: an exact sliding-window log (domain/quota.py).
--
-- KEYS  1       epoch marker: since when this Redis has counted without a gap
--       2, 3…   one list per bucket: times of admissions, microseconds of this Redis, newest first
-- ARGV  1       window, microseconds
--       2       when the owner was created, microseconds; -1 if lost counts of this owner do not matter
--       3       deadline, microseconds of this Redis; 0 for none: nobody waits for a later answer
--       4, 5, 6 whether this replica's own count admits: with its share; with all that it knows; whether to heed the share
--       then for each bucket: limit, how many admissions Redis was not told of, and the age of each, oldest first
-- Returns { verdict, now, 1 if the replica's share was heeded, then for each bucket: count, microseconds until one leaves }.
--   verdict: 1 admitted, 0 a bucket is full, 2 the replica's own count refuses, -1 too late (nothing was done)
local ADMITTED, FULL, OWN_COUNT, LATE = 1, 0, 2, -1
local window, created, deadline = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
if deadline > 0 and now > deadline then
  return { LATE, now }
end

-- Write the list anew: what is there, aged as it was when the clock was set back by `jump`, and what comes in addition.
local function rewrite(key, jump, additional)
  for _, time in ipairs(redis.call('LRANGE', key, 0, -1)) do
    additional[#additional + 1] = time - jump
  end
  table.sort(additional, function(a, b) return a > b end)
  redis.call('DEL', key)
  for first = 1, #additional, 1000 do
    redis.call('RPUSH', key, unpack(additional, first, math.min(first + 999, #additional)))
  end
  redis.call('PEXPIRE', key, math.ceil(window / 1000) + 1000)
end

-- A Redis that lost its counts (flushed, restarted, failed over to an empty one) has no marker, and is young for one window.
local young = false
if created >= 0 then
  local epoch = tonumber(redis.call('GET', KEYS[1]) or nil)
  if not epoch or epoch > now then
    epoch = now
    redis.call('SET', KEYS[1], now)
  end
  young = now - epoch < window
end
local heeded = ARGV[6] == '1'
local own_count_admits = true
if not heeded and young and math.abs(now - created) < window then
  own_count_admits = ARGV[5] == '1' -- an owner this new cannot have lost older counts
elseif heeded or young then
  heeded = true
  own_count_admits = ARGV[4] == '1'
end

local verdict = own_count_admits and ADMITTED or OWN_COUNT
local reply = { 0, now, heeded and 1 or 0 }
local at = 7
for index = 2, #KEYS do
  local key, limit, told = KEYS[index], tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local newest = tonumber(redis.call('LINDEX', key, 0) or now)
  if told > 0 or newest > now then
    local additional = {}
    for report = at + 2, at + 1 + told do
      additional[#additional + 1] = now - ARGV[report]
    end
    rewrite(key, math.max(0, newest - now), additional)
  end
  at = at + 2 + told
  local oldest = redis.call('LINDEX', key, -1)
  while oldest and tonumber(oldest) <= now - window do
    redis.call('RPOP', key)
    oldest = redis.call('LINDEX', key, -1)
  end
  local count = redis.call('LLEN', key)
  if count >= limit then
    verdict = FULL
  end
  reply[#reply + 1] = count
  reply[#reply + 1] = limit
end

for index = 2, #KEYS do
  local key, place = KEYS[index], 2 * index
  local count, limit = reply[place], reply[place + 1]
  if verdict == ADMITTED then
    redis.call('LPUSH', key, now)
    redis.call('PEXPIRE', key, math.ceil(window / 1000) + 1000)
    count = count + 1
  end
  -- The admission that has to leave: the oldest, or, where a lowered limit is overdrawn, a later one.
  local leaving = redis.call('LINDEX', key, count <= limit and -1 or limit - 1)
  reply[place] = count
  reply[place + 1] = leaving and leaving + window - now or 0
end
reply[1] = verdict
return reply

"""What Redis must do in one step, as Lua. Sent whole each time: nothing is lost with a restart or SCRIPT FLUSH."""

from __future__ import annotations

PUT_PRICES = """
-- Keys: hash of what was published, stream, then one key a price. Arguments: channel, entries of the stream, seconds
-- that stream and hash stay, seconds that a price stays, '1' to publish, then one value a price.
-- Answers how many prices were set. What is no price of ours (another type, other JSON) is overwritten.
local channel, entries, kept, seconds, publishes = unpack(ARGV, 1, 5)
local names = {}
for i = 3, #KEYS do
    names[i - 2] = KEYS[i]
end

local function part(value, name)
    local _, at = string.find(value, '"' .. name .. '":"', 1, true)
    return string.sub(value, at + 1, at + 27)
end

local function hash_of(value)
    local first, last = string.find(value, '"as_of":"', 1, true)
    return redis.sha1hex(string.sub(value, 1, first) .. string.sub(value, last + 28))
end

local instant = '%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d%d%d%dZ'

local function is_instant(value)
    return type(value) == 'string' and string.find(value, '^' .. instant .. '$') ~= nil
end

local function age_of(there, key)
    if not there then
        return ''
    end
    local is_json, price = pcall(cjson.decode, there)
    if not is_json or type(price) ~= 'table' or type(price.price) ~= 'number'
        or not is_instant(price.timestamp) or not is_instant(price.as_of)
        or key ~= 'latest_price:' .. tostring(price.symbol) then
        return ''
    end
    return price.timestamp .. price.as_of
end

if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then
    redis.call('DEL', KEYS[1])
end
if redis.call('TYPE', KEYS[2]).ok ~= 'stream' then
    redis.call('DEL', KEYS[2])
end
local there = redis.call('MGET', unpack(names))
local published = redis.call('HMGET', KEYS[1], unpack(names))
local set, news, noted = 0, {}, {}
for i, key in ipairs(names) do
    local value = ARGV[i + 5]
    local age = part(value, 'timestamp') .. part(value, 'as_of')
    local before = published[i] or ''
    if not string.find(before, '^' .. instant .. instant .. '%x+$') then
        before = ''
    end
    if age >= age_of(there[i], key) and age >= string.sub(before, 1, 54) then
        redis.call('SET', key, value, 'EX', seconds)
        set = set + 1
        local seen = age .. hash_of(value)
        if publishes == '1' and seen ~= before then
            noted[#noted + 1] = key
            noted[#noted + 1] = seen
            if string.sub(seen, 55) ~= string.sub(before, 55) then
                news[#news + 1] = value
            end
        end
    elseif redis.call('TTL', key) == -1 then
        redis.call('EXPIRE', key, seconds)
    end
end
if #noted > 0 then
    redis.call('HSET', KEYS[1], unpack(noted))
    redis.call('EXPIRE', KEYS[1], kept)
end
if #news > 0 then
    local list = '[' .. table.concat(news, ',') .. ']'
    local id = redis.call('XADD', KEYS[2], 'MAXLEN', '~', entries, '*', 'prices', list)
    redis.call('EXPIRE', KEYS[2], kept)
    redis.call('PUBLISH', channel, '{"id":"' .. id .. '","prices":' .. list .. '}')
end
return set
"""

PUT_CHART = """
-- Keys: generation, chart. Arguments: the generation that was there before the database was read ('' for none), value,
-- seconds. Answers 1 when the chart was set, 0 when it was dropped meanwhile: then the value may be older than that.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
    return 0
end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
return 1
"""

DROP_CHARTS = """
-- Keys: generation of each asset. Arguments: a new generation, the seconds that it stays, then what follows the symbol
-- in the key of a chart. Answers how many charts were there. The names are put together here because sending them takes
-- four times as long. A full store still drops them: pcall.
local before, dropped, names = #'asset_generation:', 0, {}
for _, key in ipairs(KEYS) do
    redis.pcall('SET', key, ARGV[1], 'EX', ARGV[2])
    local asset = 'asset_data' .. string.sub(key, before) .. ':'
    for i = 3, #ARGV do
        names[i - 2] = asset .. ARGV[i]
    end
    dropped = dropped + redis.call('UNLINK', unpack(names))
end
return dropped
"""

UNLOCK = """
-- Keys: lock. Arguments: the holder's token. Gives up a lock that is still the holder's.
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
return 1
"""

-- Streams of chance that a seed decides: SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
-- Generators, OOPSLA 2014). In Lua, since a hot loop cannot afford a call out of it.
local M = alc.math

local STEP = 0x9e3779b97f4a7c15
local UNIT = 2.0 ^ -53

local function next_bits(rng)
  local z = rng[1] + STEP
  rng[1] = z
  z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
  z = (z ~ (z >> 27)) * 0x94d049bb133111eb
  return z ~ (z >> 31)
end

function M.rng_create(seed)
  local number = math.tointeger(seed)
  if number == nil then
    error("alc.math.rng_create: seed must be an integer", 2)
  end
  return { number }
end

-- In [0, 1), with 53 bits.
function M.rng_float(rng)
  local z = rng[1] + STEP
  rng[1] = z
  z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
  z = (z ~ (z >> 27)) * 0x94d049bb133111eb
  return ((z ~ (z >> 31)) >> 11) * UNIT
end

-- From min to max, both included; what would favour low numbers is thrown away.
function M.rng_int(rng, min, max)
  local low, high = math.tointeger(min), math.tointeger(max)
  if low == nil or high == nil or low > high then
    error("alc.math.rng_int: needs integers min <= max", 2)
  end
  local span = high - low + 1
  if span <= 0 then
    error("alc.math.rng_int: the range is too wide", 2)
  end
  local ceiling = math.maxinteger - math.maxinteger % span
  local bits
  repeat
    bits = next_bits(rng) >> 1
  until bits < ceiling
  return low + bits % span
end

-- Fisher and Yates, in place.
function M.shuffle(rng, items)
  for i = #items, 2, -1 do
    local j = M.rng_int(rng, 1, i)
    items[i], items[j] = items[j], items[i]
  end
  return items
end

function M.sample_with_replacement(rng, items, n)
  if #items == 0 then
    error("alc.math.sample_with_replacement: nothing to draw from", 2)
  end
  local drawn = {}
  for i = 1, n do
    drawn[i] = items[M.rng_int(rng, 1, #items)]
  end
  return drawn
end

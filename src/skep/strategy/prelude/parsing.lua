-- Reading what came back: alc.vote, alc.parse_score, alc.parse_number, alc.json_extract.
local alc = alc

local function trim(text)
  return text:match("^%s*(.-)%s*$")
end

-- The most frequent answer; of equally frequent ones the first that was seen.
function alc.vote(answers)
  local counts, winner = {}, nil
  local order = {}
  for i, answer in ipairs(answers) do
    local key = trim(tostring(answer))
    if counts[key] == nil then
      order[#order + 1] = key
    end
    counts[key] = (counts[key] or 0) + 1
  end
  for _, key in ipairs(order) do
    if winner == nil or counts[key] > counts[winner] then
      winner = key
    end
  end
  return { winner = winner, count = winner and counts[winner] or 0, total = #answers }
end

-- The first digits of a text as a score from 1 to 10; the default (5) is given back as it is.
function alc.parse_score(text, default)
  local digits = tostring(text):match("%d+")
  if digits == nil then
    return default == nil and 5 or default
  end
  return math.max(1, math.min(10, math.tointeger(tonumber(digits)) or 10))
end

function alc.parse_number(text, pattern)
  if type(text) ~= "string" then
    return nil
  end
  local found = text:match(pattern or "%-?%d+%.?%d*")
  return found and tonumber(found)
end

local function decoded_table(text)
  local ok, value = pcall(alc.json_decode, text)
  return ok and type(value) == "table" and value or nil
end

-- The first table in a text that also says other things: the whole, a fenced block, then what stands in balanced
-- braces, then in balanced brackets.
function alc.json_extract(raw)
  if type(raw) ~= "string" then
    return nil
  end
  local whole = decoded_table(raw)
  if whole then
    return whole
  end
  local fenced = raw:match("```json%s*(.-)```") or raw:match("```%s*(.-)```")
  local block = fenced and decoded_table(fenced)
  if block then
    return block
  end
  for _, pair in ipairs({ "%b{}", "%b[]" }) do
    for candidate in raw:gmatch(pair) do
      local value = decoded_table(candidate)
      if value then
        return value
      end
    end
  end
  return nil
end

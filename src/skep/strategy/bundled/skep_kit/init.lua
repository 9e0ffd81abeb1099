-- What our strategies share: prompts are put together, answers are read, the budget is looked at.
local K = {}

function K.trim(text)
  return text:match("^%s*(.-)%s*$")
end

-- -- prompts -----------------------------------------------------------------------------------

-- Parts with a blank line between; nil and "" are left out.
function K.paragraphs(...)
  local parts = {}
  for i = 1, select("#", ...) do
    local part = select(i, ...)
    if part ~= nil and part ~= "" then
      parts[#parts + 1] = part
    end
  end
  return table.concat(parts, "\n\n")
end

-- "1. a", "2. b"; items that are tables are put into words by `said`.
function K.numbered(items, said)
  local lines = {}
  for i, item in ipairs(items) do
    lines[i] = ("%d. %s"):format(i, said and said(item) or item)
  end
  return table.concat(lines, "\n")
end

-- "Question 1: ...", one paragraph each.
function K.labelled(label, items)
  local parts = {}
  for i, item in ipairs(items) do
    parts[i] = ("%s %d:\n%s"):format(label, i, item)
  end
  return table.concat(parts, "\n\n")
end

-- Options of a question: what the caller gave counts more than what the strategy prefers.
function K.options(given, preferred)
  local options = {}
  for _, source in ipairs({ preferred or {}, given }) do
    for name, value in pairs(source) do
      options[name] = value
    end
  end
  return options
end

-- The same question asked n times at once.
function K.samples(n, prompt, opts)
  local batch = {}
  for i = 1, n do
    batch[i] = K.options(opts, { prompt = prompt })
  end
  return alc.llm_batch(batch)
end

-- -- answers -----------------------------------------------------------------------------------

-- Without the marks that models put around an answer; a lone pair of stars is what the label's line began with.
local function plain(text)
  text = K.trim(text):gsub("^%*%*(.*)%*%*$", "%1"):gsub("^`([^`]*)`$", "%1")
  if select(2, text:gsub("%*%*", "")) % 2 == 1 then
    text = text:gsub("%*%*$", "")
  end
  return K.trim(text)
end

-- What a line says after "Label:", if it begins so; models like to print the label in bold or as a heading.
local function after_label(line, label)
  local lowered = line:lower()
  local _, at = lowered:find("^[%s%*#>_]*" .. label:lower() .. "[%s%*_]*:[%*_]*")
  return at and line:sub(at + 1)
end

-- What stands after the last "Label:" at the start of a line, to the end or to a line that begins with `stop`.
function K.marked(text, label, stop)
  local found
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do
    local rest = after_label(line, label)
    if rest then
      found = { rest }
    elseif found and not found.closed then
      found.closed = stop ~= nil and after_label(line, stop) ~= nil
      found[#found + 1] = not found.closed and line or nil
    end
  end
  local value = found and plain(table.concat(found, "\n"))
  return value ~= "" and value or nil
end

-- The items of a list: its numbered lines, or those with a dash or star if no line is numbered.
function K.items(text, max)
  local numbered, bulleted = {}, {}
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do
    local number = line:match("^%s*%**%d+[%.%):]%**%s+(.+)$")
    numbered[#numbered + 1] = number and plain(number)
    local bullet = line:match("^%s*[%-%*]%s+(.+)$")
    bulleted[#bulleted + 1] = bullet and plain(bullet)
  end
  local found = #numbered > 0 and numbered or bulleted
  return { table.unpack(found, 1, math.min(#found, max)) }
end

-- The first whole number in a text, if it is one of 1 to n.
function K.choice(text, n)
  local number = text and math.tointeger(tonumber(text:match("%d+")))
  return number and number >= 1 and number <= n and number or nil
end

-- The word that stands after "Label:", if it is one of `words`.
function K.word(text, label, words)
  local said = K.marked(text, label)
  local first = said and said:lower():match("%a+")
  for _, word in ipairs(words) do
    if first == word:lower() then
      return word
    end
  end
  return nil
end

-- A text as answers are compared: without regard to case, spacing, quotes and a full stop at the end.
function K.key(text)
  local key = text:lower():gsub("%s+", " ")
  return key:match("^[%s\"'`%*%$]*(.-)[%s\"'`%*%$%.!]*$")
end

-- Items without those that say the same as one before.
function K.distinct(items)
  local kept, seen = {}, {}
  for _, item in ipairs(items) do
    local key = K.key(item)
    kept[#kept + 1] = not seen[key] and item or nil
    seen[key] = true
  end
  return kept
end

-- The most frequent answer, as it was first given, and how many gave it; nil and 0 of none.
function K.majority(answers)
  local keys, first = {}, {}
  for i, answer in ipairs(answers) do
    keys[i] = K.key(answer)
    first[keys[i]] = first[keys[i]] or answer
  end
  local vote = alc.vote(keys)
  return vote.winner and first[vote.winner], vote.count
end

-- Asks, and asks once more if `parse` makes nothing of the answer; `form` says how it should look.
function K.ask(prompt, opts, parse, form)
  prompt = K.paragraphs(prompt, form)
  local answer = alc.llm(prompt, opts)
  local value = parse(answer)
  if value == nil then
    alc.log("warn", "an answer could not be read, it is asked for again")
    answer = alc.llm(K.paragraphs(prompt, "Your last reply could not be read:", answer, form), opts)
    value = parse(answer)
  end
  return value, answer
end

-- Asks for a list of at most `max` items; nil if two replies held none.
function K.list(prompt, opts, max)
  return K.ask(prompt, opts, function(answer)
    local items = K.items(answer, max)
    return #items > 0 and items or nil
  end, "Write one item a line, numbered, and nothing else.")
end

-- -- budget ------------------------------------------------------------------------------------

-- Whether so many more questions may be asked: a strategy that has a result already stops rather than fails.
function K.affords(calls)
  local left = alc.budget_remaining()
  return alc.budget_check() and (left == nil or type(left.llm_calls) ~= "number" or left.llm_calls >= calls)
end

return K

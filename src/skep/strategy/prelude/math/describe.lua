-- What data looks like. Lists must not be empty and hold finite numbers.
local M = alc.math

local function check(name, data)
  if type(data) ~= "table" or #data == 0 then
    error(("alc.math.%s: data must be a non-empty array"):format(name), 3)
  end
  for i = 1, #data do
    local x = data[i]
    if type(x) ~= "number" or x ~= x or x == math.huge or x == -math.huge then
      error(("alc.math.%s: data[%d] is not a finite number"):format(name, i), 3)
    end
  end
  return data
end
M._check = check

local function pair(name, xs, ys, least)
  check(name, xs)
  check(name, ys)
  if #xs ~= #ys or #xs < least then
    error(("alc.math.%s: needs two lists of one length, at least %d"):format(name, least), 3)
  end
end
M._check_pair = pair

local function range(data)
  local low, high = data[1], data[1]
  for _, x in ipairs(data) do
    low, high = math.min(low, x), math.max(high, x)
  end
  return low, high
end

local function sorted(data)
  local copy = table.move(data, 1, #data, 1, {})
  table.sort(copy)
  return copy
end

function M.mean(data)
  local sum = 0.0
  for _, x in ipairs(check("mean", data)) do
    sum = sum + x
  end
  return sum / #data
end

-- Of a sample: divided by n - 1.
function M.variance(data)
  check("variance", data)
  if #data < 2 then
    error("alc.math.variance: needs at least two values", 2)
  end
  local mean, sum = M.mean(data), 0.0
  for _, x in ipairs(data) do
    sum = sum + (x - mean) ^ 2
  end
  return sum / (#data - 1)
end

function M.stddev(data)
  return math.sqrt(M.variance(data))
end

-- Between neighbours it is a straight line; p is from 0 to 100.
function M.percentile(data, p)
  check("percentile", data)
  if not (p >= 0 and p <= 100) then
    error("alc.math.percentile: p must be from 0 to 100", 2)
  end
  local order = sorted(data)
  local place = 1 + (#order - 1) * p / 100
  local low = math.floor(place)
  local high = math.min(low + 1, #order)
  return order[low] + (order[high] - order[low]) * (place - low)
end

function M.median(data)
  return M.percentile(check("median", data), 50)
end

function M.iqr(data)
  return M.percentile(check("iqr", data), 75) - M.percentile(data, 25)
end

function M.covariance(xs, ys)
  pair("covariance", xs, ys, 2)
  local mx, my, sum = M.mean(xs), M.mean(ys), 0.0
  for i = 1, #xs do
    sum = sum + (xs[i] - mx) * (ys[i] - my)
  end
  return sum / (#xs - 1)
end

function M.correlation(xs, ys)
  pair("correlation", xs, ys, 2)
  local spread = M.stddev(xs) * M.stddev(ys)
  if spread == 0 then
    error("alc.math.correlation: a list does not vary", 2)
  end
  return M.covariance(xs, ys) / spread
end

function M.softmax(data)
  local _, top = range(check("softmax", data))
  local weights, sum = {}, 0.0
  for i, x in ipairs(data) do
    weights[i] = math.exp(x - top)
    sum = sum + weights[i]
  end
  for i, weight in ipairs(weights) do
    weights[i] = weight / sum
  end
  return weights
end

-- Logarithms, stretched over 0 to 100.
function M.log_normalize(data)
  local logs = {}
  for i, x in ipairs(check("log_normalize", data)) do
    if x <= 0 then
      error("alc.math.log_normalize: values must be positive", 2)
    end
    logs[i] = math.log(x)
  end
  local low, high = range(logs)
  for i, x in ipairs(logs) do
    logs[i] = high > low and (x - low) / (high - low) * 100 or 0.0
  end
  return logs
end

-- Bins of one width from the least to the greatest value, which belongs to the last.
function M.histogram(data, bins)
  check("histogram", data)
  local n = math.tointeger(bins)
  if n == nil or n < 1 then
    error("alc.math.histogram: bins must be a positive integer", 2)
  end
  local low, high = range(data)
  local width = high > low and (high - low) / n or 1
  local counts, edges = {}, {}
  for i = 1, n do
    counts[i], edges[i] = 0, low + (i - 1) * width
  end
  edges[n + 1] = high > low and high or low + n * width
  for _, x in ipairs(data) do
    local bin = math.min(n, math.floor((x - low) / width) + 1)
    counts[bin] = counts[bin] + 1
  end
  return { counts = counts, edges = edges }
end

-- Wilson's interval for a share (1927).
function M.wilson_ci(successes, total, confidence)
  if not (total > 0 and successes >= 0 and successes <= total) or not (confidence > 0 and confidence < 1) then
    error("alc.math.wilson_ci: needs 0 <= successes <= total, total > 0 and confidence in (0, 1)", 2)
  end
  local z = M.normal_inverse_cdf(1 - (1 - confidence) / 2, 0, 1)
  local p, zz = successes / total, z * z / total
  local center = (p + zz / 2) / (1 + zz)
  local half = z * math.sqrt(p * (1 - p) / total + zz / (4 * total)) / (1 + zz)
  return { lower = math.max(0.0, center - half), upper = math.min(1.0, center + half), center = center }
end

function M.moving_average(data, window)
  check("moving_average", data)
  local width = math.tointeger(window)
  if width == nil or width < 1 or width > #data then
    error("alc.math.moving_average: window must be an integer from 1 to the length", 2)
  end
  local averages, sum = {}, 0.0
  for i, x in ipairs(data) do
    sum = sum + x - (i > width and data[i - width] or 0)
    if i >= width then
      averages[#averages + 1] = sum / width
    end
  end
  return averages
end

function M.ewma(data, alpha)
  check("ewma", data)
  if not (alpha > 0 and alpha <= 1) then
    error("alc.math.ewma: alpha must be in (0, 1]", 2)
  end
  local smooth = { data[1] + 0.0 }
  for i = 2, #data do
    smooth[i] = alpha * data[i] + (1 - alpha) * smooth[i - 1]
  end
  return smooth
end

function M.autocorrelation(data, lag)
  check("autocorrelation", data)
  local shift = math.tointeger(lag)
  if shift == nil or shift < 0 or shift >= #data then
    error("alc.math.autocorrelation: lag must be an integer from 0 to below the length", 2)
  end
  local mean, top, bottom = M.mean(data), 0.0, 0.0
  for i, x in ipairs(data) do
    bottom = bottom + (x - mean) ^ 2
    if i > shift then
      top = top + (x - mean) * (data[i - shift] - mean)
    end
  end
  if bottom == 0 then
    error("alc.math.autocorrelation: the data do not vary", 2)
  end
  return top / bottom
end

-- Every order of 1..n, in lexical order.
function M.permutations(n)
  local size = math.tointeger(n)
  if size == nil or size < 0 or size > 9 then
    error("alc.math.permutations: n must be an integer from 0 to 9", 2)
  end
  local found, current, used = {}, {}, {}
  local function place(depth)
    if depth > size then
      found[#found + 1] = table.move(current, 1, size, 1, {})
      return
    end
    for value = 1, size do
      if not used[value] then
        used[value], current[depth] = true, value
        place(depth + 1)
        used[value] = false
      end
    end
  end
  place(1)
  return found
end

-- Draws from distributions; the generator comes first.
local M = alc.math

local float = M.rng_float

local function require_positive(name, ...)
  for _, value in ipairs({ ... }) do
    if type(value) ~= "number" or not (value > 0) or value == math.huge then
      error(("alc.math.%s: parameters must be positive and finite"):format(name), 3)
    end
  end
end

-- By the polar method of Marsaglia (1964); the second value of each pair is thrown away, so a draw has no memory.
local function normal(rng)
  while true do
    local u, v = 2 * float(rng) - 1, 2 * float(rng) - 1
    local s = u * u + v * v
    if s > 0 and s < 1 then
      return u * math.sqrt(-2 * math.log(s) / s)
    end
  end
end

-- Marsaglia and Tsang (2000), with their boost below a shape of one.
local function gamma(rng, shape)
  if shape < 1 then
    return gamma(rng, shape + 1) * (1 - float(rng)) ^ (1 / shape)
  end
  local d = shape - 1 / 3
  local c = 1 / math.sqrt(9 * d)
  while true do
    local x = normal(rng)
    local v = (1 + c * x) ^ 3
    if v > 0 and math.log(1 - float(rng)) < 0.5 * x * x + d - d * v + d * math.log(v) then
      return d * v
    end
  end
end

function M.normal_sample(rng, mean, sd)
  if sd < 0 then
    error("alc.math.normal_sample: sd must not be negative", 2)
  end
  return mean + sd * normal(rng)
end

function M.gamma_sample(rng, shape, scale)
  require_positive("gamma_sample", shape, scale)
  return gamma(rng, shape) * scale
end

function M.beta_sample(rng, a, b)
  require_positive("beta_sample", a, b)
  local x, y = gamma(rng, a), gamma(rng, b)
  return x + y > 0 and x / (x + y) or (float(rng) < a / (a + b) and 1.0 or 0.0)
end

function M.exp_sample(rng, lambda)
  require_positive("exp_sample", lambda)
  return -math.log(1 - float(rng)) / lambda
end

function M.uniform_sample(rng, low, high)
  if not (low <= high) then
    error("alc.math.uniform_sample: needs lo <= hi", 2)
  end
  return low + (high - low) * float(rng)
end

function M.lognormal_sample(rng, mu, sigma)
  return math.exp(M.normal_sample(rng, mu, sigma))
end

function M.chi_squared_sample(rng, df)
  require_positive("chi_squared_sample", df)
  return 2 * gamma(rng, df / 2)
end

function M.student_t_sample(rng, df)
  require_positive("student_t_sample", df)
  return normal(rng) / math.sqrt(2 * gamma(rng, df / 2) / df)
end

-- Knuth's product for small rates; a large one is halved by a gamma draw until it is small (Ahrens and Dieter 1974).
function M.poisson_sample(rng, lambda)
  if not (lambda >= 0) or lambda == math.huge then
    error("alc.math.poisson_sample: lambda must not be negative", 2)
  end
  local count = 0
  while lambda > 30 do
    local m = lambda * 7 // 8
    local x = gamma(rng, m)
    if x > lambda then
      return math.tointeger(count + M.binomial_sample(rng, math.tointeger(m) - 1, lambda / x))
    end
    count, lambda = count + m, lambda - x
  end
  local limit, product = math.exp(-lambda), 1 - float(rng)
  while product > limit do
    count, product = count + 1, product * (1 - float(rng))
  end
  return math.tointeger(count)
end

-- A large number of trials is split at its median by a beta draw, so the cost is logarithmic in it.
function M.binomial_sample(rng, n, p)
  local trials = math.tointeger(n)
  if trials == nil or trials < 0 or not (p >= 0 and p <= 1) then
    error("alc.math.binomial_sample: needs an integer n >= 0 and p in [0, 1]", 2)
  end
  local count = 0
  while trials > 40 do
    local a = trials // 2 + 1
    local x = M.beta_sample(rng, a, trials + 1 - a)
    if x <= p then
      count, trials = count + a, trials - a
      p = x < 1 and (p - x) / (1 - x) or 0
    else
      trials, p = a - 1, p / x
    end
  end
  for _ = 1, trials do
    if float(rng) < p then
      count = count + 1
    end
  end
  return count
end

function M.dirichlet_sample(rng, alphas)
  if #alphas < 2 then
    error("alc.math.dirichlet_sample: needs at least two alphas", 2)
  end
  local draws, sum = {}, 0
  for i, alpha in ipairs(alphas) do
    require_positive("dirichlet_sample", alpha)
    draws[i] = gamma(rng, alpha)
    sum = sum + draws[i]
  end
  for i, draw in ipairs(draws) do
    draws[i] = draw / sum
  end
  return draws
end

function M.categorical_sample(rng, weights)
  local sum = 0
  for _, weight in ipairs(weights) do
    if not (weight >= 0) then
      error("alc.math.categorical_sample: weights must not be negative", 2)
    end
    sum = sum + weight
  end
  if not (sum > 0) then
    error("alc.math.categorical_sample: needs a positive weight", 2)
  end
  local at, last = float(rng) * sum, nil
  for i, weight in ipairs(weights) do
    if weight > 0 then
      last = i
      if at < weight then
        return i
      end
    end
    at = at - weight
  end
  return last
end

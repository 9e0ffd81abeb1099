-- Special functions, to about twelve digits.
local M = alc.math

local EPSILON = 1e-15
local TINY = 1e-300
local MAX_TERMS = 10000

-- Lanczos' approximation with g = 7 and nine terms (SIAM J. Numer. Anal. 1, 1964).
local LANCZOS = {
  0.99999999999980993,
  676.5203681218851,
  -1259.1392167224028,
  771.32342877765313,
  -176.61502916214059,
  12.507343278686905,
  -0.13857109526572012,
  9.9843695780195716e-6,
  1.5056327351493116e-7,
}

function M.lgamma(x)
  if x < 0.5 then
    return math.log(math.pi / math.abs(math.sin(math.pi * x))) - M.lgamma(1 - x)
  end
  local z, sum = x - 1, LANCZOS[1]
  for i = 2, #LANCZOS do
    sum = sum + LANCZOS[i] / (z + i - 1)
  end
  local t = z + 7.5
  return 0.5 * math.log(2 * math.pi) + (z + 0.5) * math.log(t) - t + math.log(sum)
end

function M.ln_beta(a, b)
  return M.lgamma(a) + M.lgamma(b) - M.lgamma(a + b)
end

function M.beta(a, b)
  return math.exp(M.ln_beta(a, b))
end

-- By its recurrence up to 6, then by its asymptotic series.
function M.digamma(x)
  local sum = 0.0
  if x <= 0 then
    if x == math.floor(x) then
      error("alc.math.digamma: not defined at " .. tostring(x), 2)
    end
    return M.digamma(1 - x) - math.pi / math.tan(math.pi * x)
  end
  while x < 6 do
    sum, x = sum - 1 / x, x + 1
  end
  local f = 1 / (x * x)
  local series = f * (1 / 12 - f * (1 / 120 - f * (1 / 252 - f * (1 / 240 - f * (1 / 132 - f * 691 / 32760)))))
  return sum + math.log(x) - 0.5 / x - series
end

local function gamma_series(a, x)
  local term, sum = 1 / a, 1 / a
  for n = 1, MAX_TERMS do
    term = term * x / (a + n)
    sum = sum + term
    if math.abs(term) < math.abs(sum) * EPSILON then
      break
    end
  end
  return sum * math.exp(a * math.log(x) - x - M.lgamma(a))
end

-- A continued fraction by Lentz's method.
local function gamma_fraction(a, x)
  local b = x + 1 - a
  local c, d = 1 / TINY, 1 / b
  local h = d
  for n = 1, MAX_TERMS do
    local an = -n * (n - a)
    b = b + 2
    d = an * d + b
    d = 1 / (math.abs(d) < TINY and TINY or d)
    c = b + an / c
    c = math.abs(c) < TINY and TINY or c
    local step = d * c
    h = h * step
    if math.abs(step - 1) < EPSILON then
      break
    end
  end
  return math.exp(a * math.log(x) - x - M.lgamma(a)) * h
end

-- The lower one.
function M.regularized_incomplete_gamma(a, x)
  if not (a > 0) or not (x >= 0) then
    error("alc.math.regularized_incomplete_gamma: needs a > 0 and x >= 0", 2)
  end
  if x == 0 then
    return 0.0
  elseif x == math.huge then
    return 1.0
  end
  return x < a + 1 and gamma_series(a, x) or 1 - gamma_fraction(a, x)
end

local function upper_gamma(a, x)
  return x < a + 1 and 1 - gamma_series(a, x) or gamma_fraction(a, x)
end

local function beta_fraction(x, a, b)
  local c, d = 1.0, 1 - (a + b) * x / (a + 1)
  d = 1 / (math.abs(d) < TINY and TINY or d)
  local h = d
  for m = 1, MAX_TERMS do
    local even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
    local odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    for _, an in ipairs({ even, odd }) do
      d = 1 + an * d
      d = 1 / (math.abs(d) < TINY and TINY or d)
      c = 1 + an / c
      c = math.abs(c) < TINY and TINY or c
      h = h * d * c
    end
    if math.abs(d * c - 1) < EPSILON then
      break
    end
  end
  return h
end

function M.regularized_incomplete_beta(x, a, b)
  if not (a > 0 and b > 0 and x >= 0 and x <= 1) then
    error("alc.math.regularized_incomplete_beta: needs x in [0, 1], a > 0 and b > 0", 2)
  end
  if x == 0 or x == 1 then
    return x + 0.0
  end
  local front = math.exp(a * math.log(x) + b * math.log(1 - x) - M.ln_beta(a, b))
  if x < (a + 1) / (a + b + 2) then
    return front * beta_fraction(x, a, b) / a
  end
  return 1 - front * beta_fraction(1 - x, b, a) / b
end

function M.erf(x)
  if x == 0 then
    return 0.0
  end
  local value = M.regularized_incomplete_gamma(0.5, x * x)
  return x > 0 and value or -value
end

function M.erfc(x)
  return x > 0 and upper_gamma(0.5, x * x) or 1 - M.erf(x)
end

function M.factorial(n)
  local whole = math.tointeger(n)
  if whole == nil or whole < 0 or whole > 170 then
    error("alc.math.factorial: n must be an integer from 0 to 170", 2)
  end
  local product = 1.0
  for i = 2, whole do
    product = product * i
  end
  return product
end

function M.ln_factorial(n)
  if not (n >= 0) then
    error("alc.math.ln_factorial: n must not be negative", 2)
  end
  return M.lgamma(n + 1)
end

function M.logsumexp(data)
  local top = -math.huge
  for _, x in ipairs(M._check("logsumexp", data)) do
    top = math.max(top, x)
  end
  local sum = 0.0
  for _, x in ipairs(data) do
    sum = sum + math.exp(x - top)
  end
  return top + math.log(sum)
end

function M.logit(p)
  if not (p > 0 and p < 1) then
    error("alc.math.logit: p must be in (0, 1)", 2)
  end
  return math.log(p / (1 - p))
end

function M.expit(x)
  return x >= 0 and 1 / (1 + math.exp(-x)) or math.exp(x) / (1 + math.exp(x))
end

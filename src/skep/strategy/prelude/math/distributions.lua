-- Distribution functions and their inverses.
local M = alc.math

local function positive(name, ...)
  for _, value in ipairs({ ... }) do
    if not (value > 0) then
      error(("alc.math.%s: parameters must be positive"):format(name), 3)
    end
  end
end

local function share(name, p)
  if not (p > 0 and p < 1) then
    error(("alc.math.%s: p must be in (0, 1)"):format(name), 3)
  end
end

function M.normal_cdf(x, mu, sigma)
  positive("normal_cdf", sigma)
  return 0.5 * M.erfc(-(x - mu) / (sigma * math.sqrt(2)))
end

function M.gamma_cdf(x, shape, scale)
  positive("gamma_cdf", shape, scale)
  return x <= 0 and 0.0 or M.regularized_incomplete_gamma(shape, x / scale)
end

function M.beta_cdf(x, a, b)
  positive("beta_cdf", a, b)
  return M.regularized_incomplete_beta(math.max(0, math.min(1, x)), a, b)
end

function M.poisson_cdf(k, lambda)
  positive("poisson_cdf", lambda)
  return k < 0 and 0.0 or 1 - M.regularized_incomplete_gamma(math.floor(k) + 1, lambda)
end

-- Where an increasing function of [low, high] reaches p, to the last bits.
local function inverse(cdf, p, low, high)
  for _ = 1, 200 do
    local middle = low + (high - low) / 2
    if middle == low or middle == high then
      break
    end
    if cdf(middle) < p then
      low = middle
    else
      high = middle
    end
  end
  return low + (high - low) / 2
end

function M.normal_inverse_cdf(p, mu, sigma)
  share("normal_inverse_cdf", p)
  positive("normal_inverse_cdf", sigma)
  local z
  if p < 0.5 then
    z = inverse(function(x) return M.normal_cdf(x, 0, 1) end, p, -40, 0)
  else
    z = -inverse(function(x) return M.normal_cdf(x, 0, 1) end, 1 - p, -40, 0)
  end
  return mu + sigma * z
end

M.normal_ppf = M.normal_inverse_cdf

function M.beta_ppf(p, a, b)
  share("beta_ppf", p)
  positive("beta_ppf", a, b)
  return inverse(function(x) return M.regularized_incomplete_beta(x, a, b) end, p, 0.0, 1.0)
end

function M.beta_mean(a, b)
  positive("beta_mean", a, b)
  return a / (a + b)
end

function M.beta_variance(a, b)
  positive("beta_variance", a, b)
  return a * b / ((a + b) ^ 2 * (a + b + 1))
end

-- The chance that |T| is at least |t| with df degrees of freedom.
function M._student_two_sided(t, df)
  return M.regularized_incomplete_beta(df / (df + t * t), df / 2, 0.5)
end

function M._normal_two_sided(z)
  return M.erfc(math.abs(z) / math.sqrt(2))
end

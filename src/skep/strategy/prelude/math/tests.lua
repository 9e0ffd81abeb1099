-- Tests of hypotheses, rankings and information.
local M = alc.math

-- Of two samples whose variances may differ (Welch 1947).
function M.welch_t_test(xs, ys)
  M._check("welch_t_test", xs)
  M._check("welch_t_test", ys)
  if #xs < 2 or #ys < 2 then
    error("alc.math.welch_t_test: each sample needs at least two values", 2)
  end
  local vx, vy = M.variance(xs) / #xs, M.variance(ys) / #ys
  if vx + vy == 0 then
    error("alc.math.welch_t_test: the samples do not vary", 2)
  end
  local t = (M.mean(xs) - M.mean(ys)) / math.sqrt(vx + vy)
  local df = (vx + vy) ^ 2 / (vx ^ 2 / (#xs - 1) + vy ^ 2 / (#ys - 1))
  return { t_stat = t, df = df, p_value = M._student_two_sided(t, df) }
end

-- Ranks from 1; equal values share the mean of theirs. Also the sizes of the groups of equals.
local function ranks(data)
  local order = {}
  for i = 1, #data do
    order[i] = i
  end
  table.sort(order, function(a, b)
    return data[a] < data[b] or (data[a] == data[b] and a < b)
  end)
  local result, ties, i = {}, {}, 1
  while i <= #order do
    local j = i
    while j < #order and data[order[j + 1]] == data[order[i]] do
      j = j + 1
    end
    for k = i, j do
      result[order[k]] = (i + j) / 2
    end
    ties[#ties + 1] = j - i + 1
    i = j + 1
  end
  return result, ties
end

function M.rank(data)
  return (ranks(M._check("rank", data)))
end

-- By the normal approximation, corrected for ties.
function M.mann_whitney_u(xs, ys, opts)
  M._check("mann_whitney_u", xs)
  M._check("mann_whitney_u", ys)
  local all = table.move(ys, 1, #ys, #xs + 1, table.move(xs, 1, #xs, 1, {}))
  local order, ties = ranks(all)
  local nx, ny, sum = #xs, #ys, 0.0
  for i = 1, nx do
    sum = sum + order[i]
  end
  local u = sum - nx * (nx + 1) / 2
  local n, tied = nx + ny, 0.0
  for _, size in ipairs(ties) do
    tied = tied + size ^ 3 - size
  end
  local sigma = math.sqrt(nx * ny / 12 * (n + 1 - tied / (n * (n - 1))))
  if not (sigma > 0) then
    error("alc.math.mann_whitney_u: the samples do not vary", 2)
  end
  local distance = math.abs(u - nx * ny / 2)
  if opts == nil or opts.continuity_correction ~= false then
    distance = math.max(0, distance - 0.5)
  end
  local z = distance / sigma
  return { u_stat = u, z_score = u < nx * ny / 2 and -z or z, p_value = M._normal_two_sided(z) }
end

function M.chi_squared_test(observed, expected)
  M._check_pair("chi_squared_test", observed, expected, 2)
  local chi2 = 0.0
  for i = 1, #observed do
    if expected[i] <= 0 then
      error("alc.math.chi_squared_test: expected counts must be positive", 2)
    end
    chi2 = chi2 + (observed[i] - expected[i]) ^ 2 / expected[i]
  end
  local df = #observed - 1
  return { chi2_stat = chi2, df = df, p_value = 1 - M.regularized_incomplete_gamma(df / 2, chi2 / 2) }
end

-- Kolmogorov's asymptotic law.
local function kolmogorov(x)
  if x < 0.2 then
    return 1.0
  end
  local sum = 0.0
  for k = 1, 100 do
    local term = math.exp(-2 * k * k * x * x)
    sum = sum + (k % 2 == 1 and term or -term)
    if term < 1e-16 then
      break
    end
  end
  return math.max(0.0, math.min(1.0, 2 * sum))
end

-- Of two samples.
function M.ks_test(xs, ys)
  M._check("ks_test", xs)
  M._check("ks_test", ys)
  local a, b = table.move(xs, 1, #xs, 1, {}), table.move(ys, 1, #ys, 1, {})
  table.sort(a)
  table.sort(b)
  local i, j, d = 1, 1, 0.0
  while i <= #a and j <= #b do
    local x = math.min(a[i], b[j])
    while i <= #a and a[i] <= x do
      i = i + 1
    end
    while j <= #b and b[j] <= x do
      j = j + 1
    end
    d = math.max(d, math.abs((i - 1) / #a - (j - 1) / #b))
  end
  local root = math.sqrt(#a * #b / (#a + #b))
  return { d_stat = d, p_value = kolmogorov((root + 0.12 + 0.11 / root) * d) }
end

function M.spearman_correlation(xs, ys)
  M._check_pair("spearman_correlation", xs, ys, 2)
  return M.correlation(M.rank(xs), M.rank(ys))
end

-- Tau-b, which counts ties.
function M.kendall_tau(xs, ys)
  M._check_pair("kendall_tau", xs, ys, 2)
  local score, wide_x, wide_y = 0, 0, 0
  for i = 1, #xs do
    for j = i + 1, #xs do
      local dx, dy = xs[i] - xs[j], ys[i] - ys[j]
      score = score + (dx * dy > 0 and 1 or dx * dy < 0 and -1 or 0)
      wide_x = wide_x + (dx ~= 0 and 1 or 0)
      wide_y = wide_y + (dy ~= 0 and 1 or 0)
    end
  end
  if wide_x == 0 or wide_y == 0 then
    error("alc.math.kendall_tau: a list does not vary", 2)
  end
  return score / math.sqrt(wide_x * wide_y)
end

local function gain(relevance, k)
  local sum = 0.0
  for i = 1, math.min(k, #relevance) do
    sum = sum + (2 ^ relevance[i] - 1) / math.log(i + 1, 2)
  end
  return sum
end

function M.ndcg(relevance, k)
  M._check("ndcg", relevance)
  local ideal = table.move(relevance, 1, #relevance, 1, {})
  table.sort(ideal, function(a, b) return a > b end)
  local best = gain(ideal, k or #relevance)
  return best > 0 and gain(relevance, k or #relevance) / best or 0.0
end

function M.mrr(places)
  local sum = 0.0
  for _, place in ipairs(M._check("mrr", places)) do
    sum = sum + (place > 0 and 1 / place or 0)
  end
  return sum / #places
end

local function shares(name, data)
  for _, p in ipairs(M._check(name, data)) do
    if p < 0 then
      error(("alc.math.%s: a probability is negative"):format(name), 3)
    end
  end
  return data
end

local function pair_of_shares(name, ps, qs)
  shares(name, ps)
  shares(name, qs)
  if #ps ~= #qs then
    error(("alc.math.%s: needs two lists of one length"):format(name), 3)
  end
end

-- In nats, as everything here.
function M.entropy(ps)
  local sum = 0.0
  for _, p in ipairs(shares("entropy", ps)) do
    sum = sum - (p > 0 and p * math.log(p) or 0)
  end
  return sum
end

function M.cross_entropy(ps, qs)
  pair_of_shares("cross_entropy", ps, qs)
  local sum = 0.0
  for i, p in ipairs(ps) do
    if p > 0 then
      sum = sum - p * math.log(qs[i])
    end
  end
  return sum
end

function M.kl_divergence(ps, qs)
  pair_of_shares("kl_divergence", ps, qs)
  return M.cross_entropy(ps, qs) - M.entropy(ps)
end

function M.js_divergence(ps, qs)
  pair_of_shares("js_divergence", ps, qs)
  local middle = {}
  for i, p in ipairs(ps) do
    middle[i] = (p + qs[i]) / 2
  end
  return (M.kl_divergence(ps, middle) + M.kl_divergence(qs, middle)) / 2
end

-- Spreads requests evenly over the services s0 to sN-1, which are chosen by the first path segment.
-- Requests are formatted once, so that the load generator's cost does not grow with their number.
local formatted = {}
local next = 0

function init(args)
  local count = tonumber(args[1])
  for i = 0, count - 1 do
    formatted[i + 1] = wrk.format("GET", "/s" .. i .. "/")
  end
end

function request()
  next = next % #formatted + 1
  return formatted[next]
end

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
dofile(here .. "wrk-report.lua")

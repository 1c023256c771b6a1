-- wrk -s wrk.lua URL -- METHOD BODY: one request, formatted once (no Lua runs for a request), and the result as a line of JSON.
-- wrk -s wrk.lua URL -- @FILE: the ready-made requests of a file, in turns (lib/requests_file.mjs writes it). Where there is but one, no Lua runs
-- for a request either. One entry may hold several requests, which are then sent at once: all get their responses before the next.

-- A processor's time of this whole process, without the start of it. Lua states are several, and this one is the first.
local began = os.clock()

local function read(name)
  local file = assert(io.open(name, "rb"))
  local requests = {}
  for line in function() return file:read("*l") end do
    requests[#requests + 1] = file:read(tonumber(line))
  end
  file:close()
  return requests
end

function init(args)
  if args[1]:sub(1, 1) == "@" then
    local requests = read(args[1]:sub(2))
    local count = #requests
    if count == 1 then
      wrk.format = function() return requests[1] end
      return
    end
    local at = 0
    request = function()
      at = at % count + 1
      return requests[at]
    end
    return
  end
  wrk.method = args[1]
  if args[2] ~= nil and args[2] ~= "" then
    wrk.body = args[2]
    wrk.headers["Content-Type"] = "application/json"
  end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"bytes":%d,"seconds":%.6f,"busy":%.6f,"p50":%.3f,"p99":%.3f,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
    summary.requests, summary.bytes, summary.duration / 1e6, os.clock() - began,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    e.connect, e.read, e.write, e.timeout, e.status))
end

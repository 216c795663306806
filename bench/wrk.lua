-- Sends the requests of a file in turn, and prints one line of JSON at the end.
-- The file has, for each request, the number of its bytes, a line feed, and the bytes.

local threads = {}
local requests = {}
local sent = 0
statuses = {} -- global, for thread:get(); its keys are strings, the only ones that are copied

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local length = file:read("*n")
  while length do
    file:read(1)
    table.insert(requests, file:read(length))
    length = file:read("*n")
  end
  file:close()
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function response(status)
  local key = tostring(status)
  statuses[key] = (statuses[key] or 0) + 1
end

function done(summary, latency)
  local counts = {}
  for status, count in pairs(threads[1]:get("statuses")) do
    table.insert(counts, string.format('"%s": %d', status, count))
  end
  local errors = summary.errors
  io.write(string.format(
    '\n{"microseconds": %d, "bytes": %d, "p50": %d, "p99": %d, "statuses": {%s}, '
      .. '"errors": {"connect": %d, "read": %d, "write": %d, "timeout": %d}}\n',
    summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    table.concat(counts, ", "), errors.connect, errors.read, errors.write, errors.timeout))
end

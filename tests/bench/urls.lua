-- For wrk: asks for the paths of a file in turn. Arguments: file, first line, then headers as "Name: value".
local requests, position = {}, 0

function init(args)
  for n = 3, #args do
    local name, value = args[n]:match("^(.-): (.*)$")
    wrk.headers[name] = value
  end
  for path in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", path)
  end
  position = tonumber(args[2])
end

function request()
  position = position + 1
  return requests[position % #requests + 1]
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    '{"requests": %d, "seconds": %f, "bytes": %d, "failed": %d, "p50": %f, "p95": %f}',
    summary.requests, summary.duration / 1e6, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000))
end

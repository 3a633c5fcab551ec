-- Prints what wrk measured as one JSON line behind this marker; wrk's own report is for people.
function done(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.status + summary.errors.timeout
  io.write(string.format(
    "\nwrk-report {\"requests\":%d,\"microseconds\":%d,\"failed\":%d,\"p50Us\":%d,\"p99Us\":%d}\n",
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)))
end

/** The metrics of services: their traffic, their apps here, and the servers of one-to-N sessions. */
import type { NodeView, ServiceView } from "../node/view.ts";
import { counter, gauge, type Labels, type Metric, type Sample, samples, type Series } from "./metric.ts";
import { bounded, OTHER, trafficMetrics } from "./traffic-metrics.ts";

export function serviceMetrics({ services }: NodeView): Metric[] {
  const series = bounded(services, (service) => service.requestsTotal).map(({ of, own }) => ({
    labels: { service: own ? of.name : OTHER },
    of,
  }));
  const apps = series.flatMap(({ labels, of }) => (of.app === null ? [] : [{ labels, of: of.app }]));
  return [
    ...trafficMetrics("service", series),
    counter(
      "service_connections_total",
      "Client connections of stream services, and upgraded ones.",
      samples(series, (of) => of.connectionsTotal),
    ),
    counter(
      "service_app_requests_total",
      "Requests, or connections of stream services, that this node sent to its own app for the service.",
      samples(apps, (app) => app.requestsTotal),
    ),
    counter(
      "service_app_failures_total",
      "Of those, how many the app failed: it could not be reached, or broke its answer, by error code.",
      apps.flatMap(({ labels, of }) =>
        Object.entries(of.failures).map(([code, value]) => ({ labels: { ...labels, code }, value })),
      ),
    ),
    counter(
      "service_retries_total",
      "Further offers tried after the first.",
      samples(series, (of) => of.retriesTotal),
    ),
    counter(
      "service_retries_denied_total",
      "Retries and hedges that the budget did not allow.",
      samples(series, (of) => of.retriesDeniedTotal),
    ),
    counter(
      "service_hedges_total",
      "Further offers asked while the first kept silent.",
      samples(series, (of) => of.hedgesTotal),
    ),
    counter(
      "service_hedges_won_total",
      "Of those, the ones that answered first.",
      samples(series, (of) => of.hedgesWonTotal),
    ),
    counter(
      "service_mirrors_total",
      "Requests of which another service got a copy.",
      samples(series, (of) => of.mirrorsTotal),
    ),
    counter(
      "service_mirrors_dropped_total",
      "Copies that were not made, or broken off.",
      samples(series, (of) => of.mirrorsDroppedTotal),
    ),
    ...serverMetrics(series),
    gauge(
      "service_offers",
      "Offers, by whether they take new streams.",
      series.flatMap(({ labels, of }) => {
        const usable = of.offers.filter((offer) => offer.usable).length;
        return [
          { labels: { ...labels, state: "usable" }, value: usable },
          { labels: { ...labels, state: "unusable" }, value: of.offers.length - usable },
        ];
      }),
    ),
    {
      name: "polarity_service_response_seconds",
      help: "Time from a complete request to the first byte of its answer.",
      type: "histogram",
      aggregator: "sum",
      values: series.flatMap(({ labels, of }) => histogramSamples("polarity_service_response_seconds", labels, of)),
    },
  ];
}

function histogramSamples(name: string, labels: Labels, { latency }: ServiceView): Sample[] {
  return [
    ...latency.buckets.map(({ upToMs, count }) => ({
      labels: { ...labels, le: String(upToMs / 1000) },
      value: count,
      metricName: `${name}_bucket`,
    })),
    { labels: { ...labels, le: "+Inf" }, value: latency.count, metricName: `${name}_bucket` },
    { labels, value: latency.sumMs / 1000, metricName: `${name}_sum` },
    { labels, value: latency.count, metricName: `${name}_count` },
  ];
}

/** One-to-N sessions, by server. */
function serverMetrics(series: readonly Series<ServiceView>[]): Metric[] {
  const servers = series.flatMap(({ labels, of }) =>
    of.servers.map((server) => ({ labels: { ...labels, server: server.name }, of: server })),
  );
  const cuts = servers.flatMap(({ labels, of }) =>
    Object.entries(of.cuts).map(([code, value]) => ({ labels: { ...labels, code }, value })),
  );
  return [
    counter(
      "service_server_sessions_total",
      "One-to-N sessions.",
      samples(servers, (of) => of.sessionsTotal),
    ),
    gauge(
      "service_server_sessions_active",
      "One-to-N sessions now.",
      samples(servers, (of) => of.sessionsActive),
    ),
    counter(
      "service_server_latched_total",
      "Half-duplex sessions that the server had to itself, as the first to answer.",
      samples(servers, (of) => of.latchedTotal),
    ),
    counter(
      "service_server_bytes_in_total",
      "Bytes from clients to the server, in sessions that are over.",
      samples(servers, (of) => of.bytesInTotal),
    ),
    counter(
      "service_server_bytes_out_total",
      "Bytes from the server, in sessions that are over.",
      samples(servers, (of) => of.bytesOutTotal),
    ),
    counter(
      "service_server_answered_total",
      "Sessions in which the server said something.",
      samples(servers, (of) => of.answeredTotal),
    ),
    counter(
      "service_server_first_byte_seconds_total",
      "How long its first bytes took, together.",
      samples(servers, (of) => of.firstByteMsSum / 1000),
    ),
    counter(
      "service_server_datagrams_missed_total",
      "Datagrams that the server was too slow for.",
      samples(servers, (of) => of.datagramsMissedTotal),
    ),
    counter("service_server_cuts_total", "How often the server left a session before it had ended, by code.", cuts),
    counter(
      "service_servers_late_total",
      "Servers that came when a session's first bytes were gone.",
      samples(series, (of) => of.lateTotal),
    ),
  ];
}

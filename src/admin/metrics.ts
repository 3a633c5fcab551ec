/**
 * A node's view as Prometheus metrics, made when they are scraped.
 *
 * Peers choose the names of services and nodes, so labels are bounded: beyond `SERIES_MAX` services (or links) the quietest
 * are summed up as `_other`.
 */
import { Registry } from "@prometheus-io/client";
import { flatStatistics } from "../analyze/meters.ts";
import type { LinkView, NodeView, ServiceView, TrafficView } from "../node/view.ts";
import { counter, gauge, type Labels, type Metric, type Sample, samples, type Series } from "./metric.ts";

export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** Services, and links, that get series of their own. */
const SERIES_MAX = 500;
const OTHER = "_other";

export async function renderMetrics(view: NodeView): Promise<string> {
  const metrics = [
    ...nodeMetrics(view),
    ...listenerMetrics(view),
    ...serviceMetrics(view),
    ...linkMetrics(view),
    ...analysisMetrics(view),
  ];
  return Registry.aggregate([metrics]).metrics();
}

function nodeMetrics({ node, totals, process }: NodeView): Metric[] {
  const { name, instance, version } = node;
  const one = (value: number): Sample[] => [{ labels: {}, value }];
  return [
    gauge("node_info", "Always 1; the labels say which node this is.", [
      { labels: { node: name, instance, version }, value: 1 },
    ]),
    gauge("node_ready", "1 when the node takes new work.", one(node.state === "ready" ? 1 : 0)),
    gauge("node_uptime_seconds", "Time since the node started.", one(node.uptimeSeconds)),
    gauge("sessions_active", "Requests and connections under way.", one(totals.requestsActive)),
    gauge("sessions_waiting", "Requests that wait for an offer.", one(totals.waiting)),
    gauge("streams_open", "Streams open on all links.", one(totals.streamsOpen)),
    counter(
      "offers_refused_total",
      "Offers of peers that were not taken: names of others, or past a limit.",
      one(totals.offersRefusedTotal),
    ),
    gauge("held_bytes", "Bytes that arrived and that nobody has read yet.", one(totals.heldBytes)),
    counter(
      "held_streams_shed_total",
      "Streams cut off because they held most while memory was short.",
      one(totals.heldStreamsShedTotal),
    ),
    counter("held_bytes_shed_total", "Bytes that those streams held.", one(totals.heldBytesShedTotal)),
    gauge("process_resident_memory_bytes", "Memory that the process occupies.", one(process.rssBytes)),
    gauge("process_heap_used_bytes", "Memory that JavaScript objects occupy.", one(process.heapUsedBytes)),
    counter("process_cpu_seconds_total", "Processor time that the process used.", one(process.cpuSeconds)),
    gauge(
      "process_event_loop_delay_p99_seconds",
      "How late timers run: the 99th percentile.",
      process.eventLoopDelayP99Ms === null ? [] : one(process.eventLoopDelayP99Ms / 1000),
    ),
    counter(
      "internal_errors_total",
      "Failures that nobody expected, by where they were met. Each ended what was served there.",
      Object.entries(process.internalErrors).map(([where, value]) => ({ labels: { where }, value })),
    ),
  ];
}

function listenerMetrics({ listeners, linkCertificates }: NodeView): Metric[] {
  const series = listeners.map((listener) => ({ labels: { listener: listener.url }, of: listener }));
  return [
    ...trafficMetrics("listener", series),
    counter(
      "listener_connections_total",
      "Client connections accepted.",
      samples(series, (of) => of.connectionsTotal),
    ),
    gauge(
      "listener_connections_open",
      "Client connections open.",
      samples(series, (of) => of.connectionsOpen),
    ),
    counter(
      "listener_connections_refused_total",
      "Client connections turned away by a limit.",
      samples(series, (of) => of.connectionsRefusedTotal),
    ),
    counter(
      "listener_handshakes_failed_total",
      "TLS handshakes that did not come about.",
      samples(series, (of) => of.handshakesFailedTotal),
    ),
    gauge(
      "certificate_expires_days",
      "Days until the certificate expires, rounded down; negative once it has.",
      [
        ...series.map(({ labels, of }) => ({ labels, certificates: of.certificates })),
        ...linkCertificates.map(({ url, certificates }) => ({ labels: { listener: url }, certificates })),
      ].flatMap(({ labels, certificates }) =>
        certificates.map(({ file, names, expiresDays }) => ({
          labels: { ...labels, file, name: names[0] ?? "" },
          value: expiresDays,
        })),
      ),
    ),
  ];
}

function serviceMetrics({ services }: NodeView): Metric[] {
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

function linkMetrics({ links }: NodeView): Metric[] {
  const series = bounded(links, (link) => link.streamsTotal).map(({ of, own }) => ({
    labels: own ? { link: of.id, node: of.node } : { link: OTHER, node: OTHER },
    of,
  }));
  const roundTrips = series.flatMap(({ labels, of }) =>
    of.roundTripMs === null || labels.link === OTHER ? [] : [{ labels, value: of.roundTripMs / 1000 }],
  );
  const states: readonly LinkView["state"][] = ["joining", "up", "suspect", "draining"];
  return [
    gauge(
      "links",
      "Links, by state.",
      states.map((state) => ({ labels: { state }, value: links.filter((link) => link.state === state).length })),
    ),
    gauge(
      "link_up",
      "1 when the link takes new streams.",
      samples(series, (of) => (of.state === "up" ? 1 : 0)),
    ),
    gauge("link_round_trip_seconds", "Smoothed round trip.", roundTrips),
    gauge(
      "link_streams_open",
      "Streams open on the link.",
      samples(series, (of) => of.streamsOpen),
    ),
    counter(
      "link_streams_total",
      "Streams opened on the link, by either side.",
      samples(series, (of) => of.streamsTotal),
    ),
    counter(
      "link_received_bytes_total",
      "Bytes received over the link.",
      samples(series, (of) => of.bytesInTotal),
    ),
    counter(
      "link_sent_bytes_total",
      "Bytes sent over the link.",
      samples(series, (of) => of.bytesOutTotal),
    ),
  ];
}

/** Whatever an analyzer counts, by its name: the names are its own. */
function analysisMetrics({ analyses }: NodeView): Metric[] {
  if (analyses.length === 0) return [];
  const series = analyses.map((analysis) => ({
    labels: { place: analysis.place, analyzer: analysis.analyzer },
    of: analysis,
  }));
  return [
    gauge(
      "analysis_connections_open",
      "Connections that an analyzer taps.",
      samples(series, (of) => of.connectionsOpen),
    ),
    counter(
      "analysis_connections_total",
      "Connections that an analyzer tapped.",
      samples(series, (of) => of.connectionsTotal),
    ),
    counter(
      "analysis_failures_total",
      "How often an analyzer failed; connections went on without it.",
      samples(series, (of) => of.failuresTotal),
    ),
    gauge(
      "analysis_statistic",
      "What an analyzer found out; the label says what.",
      series.flatMap(({ labels, of }) =>
        flatStatistics(of.statistics).map(([statistic, value]) => ({ labels: { ...labels, statistic }, value })),
      ),
    ),
  ];
}

function trafficMetrics(kind: "listener" | "service", series: readonly Series<TrafficView>[]): Metric[] {
  return [
    counter(
      `${kind}_requests_total`,
      "HTTP requests, or connections of streams.",
      samples(series, (of) => of.requestsTotal),
    ),
    gauge(
      `${kind}_requests_active`,
      "Of those, how many are under way.",
      samples(series, (of) => of.requestsActive),
    ),
    counter(
      `${kind}_received_bytes_total`,
      "Bytes from clients.",
      samples(series, (of) => of.bytesInTotal),
    ),
    counter(
      `${kind}_sent_bytes_total`,
      "Bytes to clients.",
      samples(series, (of) => of.bytesOutTotal),
    ),
    counter(
      `${kind}_responses_total`,
      "HTTP responses, by class of status.",
      series.flatMap(({ labels, of }) =>
        Object.entries(of.statuses).map(([statusClass, value]) => ({
          labels: { ...labels, class: statusClass },
          value,
        })),
      ),
    ),
    ...datagramMetrics(kind, series),
    counter(
      `${kind}_errors_total`,
      "Requests that ended with an error of Polarity's, by its code.",
      series.flatMap(({ labels, of }) =>
        Object.entries(of.errors).map(([code, value]) => ({ labels: { ...labels, code }, value })),
      ),
    ),
  ];
}

/** Of those that have datagrams. */
function datagramMetrics(kind: "listener" | "service", series: readonly Series<TrafficView>[]): Metric[] {
  const some = series.flatMap(({ labels, of }) => (of.datagrams === null ? [] : [{ labels, of: of.datagrams }]));
  if (some.length === 0) return [];
  return [
    counter(
      `${kind}_datagrams_in_total`,
      "Datagrams from clients.",
      samples(some, (of) => of.inTotal),
    ),
    counter(
      `${kind}_datagrams_out_total`,
      "Datagrams to clients.",
      samples(some, (of) => of.outTotal),
    ),
    counter(
      `${kind}_datagrams_dropped_total`,
      "Datagrams that were not passed on, by reason.",
      some.flatMap(({ labels, of }) =>
        Object.entries(of.dropped).map(([reason, value]) => ({ labels: { ...labels, reason }, value })),
      ),
    ),
  ];
}

/** All of them, with the busiest `SERIES_MAX` marked as having series of their own. */
function bounded<View>(views: readonly View[], activity: (view: View) => number): { of: View; own: boolean }[] {
  if (views.length <= SERIES_MAX) return views.map((of) => ({ of, own: true }));
  return [...views]
    .sort((left, right) => activity(right) - activity(left))
    .map((of, rank) => ({ of, own: rank < SERIES_MAX }));
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

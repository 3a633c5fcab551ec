/**
 * A node's view as Prometheus metrics, made when they are scraped.
 *
 * Peers choose the names of services and nodes, so labels are bounded: beyond `SERIES_MAX` services (or links) the quietest
 * are summed up as `_other`.
 */
import { Registry } from "@prometheus-io/client";
import { flatStatistics } from "../analyze/meters.ts";
import type { LinkView, NodeView } from "../node/view.ts";
import { counter, gauge, type Metric, type Sample, samples } from "./metric.ts";
import { serviceMetrics } from "./service-metrics.ts";
import { bounded, OTHER, trafficMetrics } from "./traffic-metrics.ts";

export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

export async function renderMetrics(view: NodeView): Promise<string> {
  return Registry.aggregate([metricsOf(view)]).metrics();
}

export function metricsOf(view: NodeView): Metric[] {
  return [
    ...nodeMetrics(view),
    ...listenerMetrics(view),
    ...serviceMetrics(view),
    ...linkMetrics(view),
    ...analysisMetrics(view),
  ];
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

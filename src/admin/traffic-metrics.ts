/** The metrics that listeners and services have in common, and how many of them are told apart. */
import type { TrafficView } from "../node/view.ts";
import { counter, gauge, type Metric, samples, type Series } from "./metric.ts";

/** What has no series of its own. */
export const OTHER = "_other";

/** Services, and links, that get series of their own. */
const SERIES_MAX = 500;

export function trafficMetrics(kind: "listener" | "service", series: readonly Series<TrafficView>[]): Metric[] {
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
export function bounded<View>(views: readonly View[], activity: (view: View) => number): { of: View; own: boolean }[] {
  if (views.length <= SERIES_MAX) return views.map((of) => ({ of, own: true }));
  return [...views]
    .sort((left, right) => activity(right) - activity(left))
    .map((of, rank) => ({ of, own: rank < SERIES_MAX }));
}

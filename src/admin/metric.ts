/** What a metric is made of, in the form that the registry of metrics adds up. */

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
}

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Samples of the same labels are added up: that is how the quietest become one. */
  readonly aggregator: "sum";
  readonly values: readonly Sample[];
}

export interface Series<View> {
  readonly labels: Labels;
  readonly of: View;
}

export function samples<View>(series: readonly Series<View>[], value: (of: View) => number): Sample[] {
  return series.map(({ labels, of }) => ({ labels, value: value(of) }));
}

export function counter(name: string, help: string, values: readonly Sample[]): Metric {
  return { name: `polarity_${name}`, help, type: "counter", aggregator: "sum", values };
}

export function gauge(name: string, help: string, values: readonly Sample[]): Metric {
  return { name: `polarity_${name}`, help, type: "gauge", aggregator: "sum", values };
}

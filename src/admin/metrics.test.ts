import assert from "node:assert/strict";
import { test } from "node:test";
import { viewListener, viewService } from "../node/traffic-view.ts";
import type { LinkView, NodeView } from "../node/view.ts";
import { Registry, REGISTRY_LIMITS } from "../registry/registry.ts";
import { ListenerStatistics } from "../registry/service-statistics.ts";
import { renderMetrics } from "./metrics.ts";

const LINK: LinkView = {
  id: "link-1",
  node: "phone",
  instance: "i1",
  identity: "team",
  address: "127.0.0.1:5000",
  transport: "tcp",
  dialled: false,
  state: "up",
  cost: 0,
  roundTripMs: 2.5,
  streamsOpen: 3,
  streamsTotal: 40,
  bytesInTotal: 1000,
  bytesOutTotal: 2000,
};

function setUp() {
  const registry = new Registry({ random: () => 0, clock: { now: () => 0 }, limits: REGISTRY_LIMITS });
  const offer = (service: string) => {
    const upstream = { node: "phone", open: () => undefined };
    registry.add(upstream, "team", 0, { service, weight: 1, protocol: "http/1.1", labels: {}, health: "up" });
    return registry.statistics(service)!;
  };
  const view = (changes: Partial<NodeView> = {}): NodeView => ({
    node: {
      name: "edge",
      instance: "i0",
      version: "1.2.3",
      startedAt: "2026-01-01T00:00:00Z",
      uptimeSeconds: 5,
      state: "ready",
    },
    linkCertificates: [],
    listeners: [],
    links: [],
    services: registry.services().map((service) => viewService(service, () => "link-1", 0)),
    nodes: [],
    sessions: [],
    sessionsOmitted: 0,
    analyses: [],
    totals: {
      requestsTotal: 0,
      requestsActive: 0,
      connectionsOpen: 0,
      bytesInTotal: 0,
      bytesOutTotal: 0,
      links: 0,
      linksUp: 0,
      streamsOpen: 0,
      waiting: 0,
      offersRefusedTotal: 0,
      heldBytes: 0,
      heldStreamsShedTotal: 0,
      heldBytesShedTotal: 0,
    },
    process: {
      pid: 1,
      rssBytes: 1024,
      heapUsedBytes: 512,
      cpuSeconds: 1.5,
      eventLoopDelayP99Ms: 2,
      internalErrors: { link: 3 },
    },
    ...changes,
  });
  return { offer, view };
}

async function scrape(view: NodeView): Promise<ReadonlySet<string>> {
  return new Set((await renderMetrics(view)).split("\n"));
}

function assertHas(lines: ReadonlySet<string>, ...expected: readonly string[]): void {
  for (const line of expected) assert.ok(lines.has(line), `${line}\nis not in\n${[...lines].join("\n")}`);
}

test("a service's counters are counters, with the service as a label", async () => {
  const { offer, view } = setUp();
  const statistics = offer("web");
  statistics.requests = 7;
  statistics.active = 2;
  statistics.bytesOut = 4096;
  statistics.countStatus(200);
  statistics.countError("NO_OFFER");
  const lines = await scrape(view());
  assertHas(
    lines,
    "# TYPE polarity_service_requests_total counter",
    'polarity_service_requests_total{service="web"} 7',
    "# TYPE polarity_service_requests_active gauge",
    'polarity_service_requests_active{service="web"} 2',
    'polarity_service_sent_bytes_total{service="web"} 4096',
    'polarity_service_responses_total{service="web",class="2xx"} 1',
    'polarity_service_errors_total{service="web",code="NO_OFFER"} 1',
    'polarity_service_offers{service="web",state="usable"} 1',
    'polarity_service_offers{service="web",state="unusable"} 0',
  );
});

test("latencies are a histogram in seconds whose last bucket holds all", async () => {
  const { offer, view } = setUp();
  for (const ms of [2, 20, 200, 100_000]) offer("web").latency.record(ms);
  assertHas(
    await scrape(view()),
    "# TYPE polarity_service_response_seconds histogram",
    'polarity_service_response_seconds_bucket{service="web",le="0.001"} 0',
    'polarity_service_response_seconds_bucket{service="web",le="0.005"} 1',
    'polarity_service_response_seconds_bucket{service="web",le="60"} 3',
    'polarity_service_response_seconds_bucket{service="web",le="+Inf"} 4',
    'polarity_service_response_seconds_sum{service="web"} 100.222',
    'polarity_service_response_seconds_count{service="web"} 4',
  );
});

test("listeners, links, the node and the process have theirs", async () => {
  const { view } = setUp();
  const statistics = new ListenerStatistics();
  statistics.connections = 9;
  const listener = { url: "http://127.0.0.1:8001", state: "listening", service: null } as const;
  const suspect: LinkView = { ...LINK, id: "link-2", state: "suspect", roundTripMs: null };
  const lines = await scrape(view({ listeners: [viewListener(listener, statistics)], links: [LINK, suspect] }));
  assertHas(
    lines,
    'polarity_node_info{node="edge",instance="i0",version="1.2.3"} 1',
    "polarity_node_ready 1",
    "polarity_process_cpu_seconds_total 1.5",
    "polarity_process_event_loop_delay_p99_seconds 0.002",
    'polarity_listener_connections_total{listener="http://127.0.0.1:8001"} 9',
    'polarity_links{state="up"} 1',
    'polarity_links{state="suspect"} 1',
    'polarity_link_up{link="link-1",node="phone"} 1',
    'polarity_link_up{link="link-2",node="phone"} 0',
    'polarity_link_round_trip_seconds{link="link-1",node="phone"} 0.0025',
    'polarity_link_sent_bytes_total{link="link-1",node="phone"} 2000',
  );
  assert.ok(![...lines].some((line) => line.startsWith('polarity_link_round_trip_seconds{link="link-2"')));
});

test("names that peers choose cannot break out of a label", async () => {
  const { offer, view } = setUp();
  offer('a"b\\c').requests = 1;
  assertHas(await scrape(view()), 'polarity_service_requests_total{service="a\\"b\\\\c"} 1');
});

test("beyond five hundred services the quietest are summed up as one", async () => {
  const { offer, view } = setUp();
  for (let index = 0; index < 600; index++) offer(`s${index}`).requests = index;
  const lines = [...(await scrape(view()))].filter((line) => line.startsWith("polarity_service_requests_total{"));
  assert.equal(lines.length, 501);
  // 0 to 99 are the quietest.
  assertHas(new Set(lines), 'polarity_service_requests_total{service="_other"} 4950');
  assertHas(new Set(lines), 'polarity_service_requests_total{service="s100"} 100');
});

test("every metric has its help and type, and every sample a number", async () => {
  const { offer, view } = setUp();
  offer("web").latency.record(1);
  const text = await renderMetrics(view({ links: [LINK] }));
  const described = new Set([...text.matchAll(/^# HELP (\S+) \S/gm)].map((match) => match[1]));
  for (const line of text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))) {
    const match = /^(polarity_[a-z0-9_]+?)(_bucket|_sum|_count)?(\{[^}]*\})? ([0-9.e+-]+)$/.exec(line);
    assert.ok(match !== null, line);
    assert.ok(described.has(match[1]) || described.has(`${match[1]}${match[2]}`), line);
  }
});

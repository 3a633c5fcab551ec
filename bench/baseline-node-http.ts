/**
 * One hop as most people would write it: a `node:http` server that passes each request on with `http.request`.
 *
 * It is the yardstick for what Node's own HTTP costs per hop; both sides keep their connections.
 */
import { Agent, createServer, request } from "node:http";

interface Hop {
  readonly listen: number;
  readonly target: number;
}

const { hops } = JSON.parse(process.argv[2] ?? "{}") as { hops: readonly Hop[] };
for (const hop of hops) serve(hop);

function serve({ listen, target }: Hop): void {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 1_024 });
  const server = createServer({ keepAliveTimeout: 3_600_000 }, (incoming, outgoing) => {
    const onward = request(
      {
        host: "127.0.0.1",
        port: target,
        agent,
        method: incoming.method,
        path: incoming.url,
        headers: incoming.headers,
      },
      (response) => {
        outgoing.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(outgoing);
      },
    );
    onward.on("error", () => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(502).end();
    });
    outgoing.on("close", () => {
      if (!outgoing.writableFinished) onward.destroy();
    });
    incoming.pipe(onward);
  });
  server.listen({ port: listen, host: "127.0.0.1", backlog: 4_096 });
}

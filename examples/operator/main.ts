/**
 * Operator: named machines that nobody can dial keep links to reachable ones, and their services are dialled by name.
 *
 *   node examples/operator/main.ts
 *
 * `myserver1` is reachable; `unreachable1` is not, and dials it. Its services are reached as `unreachable1.my-service`: over
 * HTTP, from the command line, on a local port and from within a program. Each command is printed as one would type it.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";

import { until, walk } from "../support/walk.ts";
import { dialFromAProgram } from "./dialling.ts";

await walk("Operator: services of machines that cannot be dialled, by name", async (walk) => {
  const http = async (name: string): Promise<number> => {
    const server = createHttpServer((request, response) => response.end(`${name} ${request.method} ${request.url}\n`));
    walk.after(() => server.close());
    return await listen(server);
  };
  const raw = async (accepted: (socket: Socket) => void): Promise<number> => {
    const server = createServer({ allowHalfOpen: true }, accepted);
    walk.after(() => server.close());
    return await listen(server);
  };
  // Answers with what it was sent, once it has all of it: only half-closes tell.
  const uppercase = await raw((socket) => {
    let said = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => (said += chunk));
    socket.on("end", () => socket.end(said.toUpperCase()));
    socket.on("error", () => {});
  });
  const clock = await raw((socket) => socket.end("it is late\n"));

  walk.part("A reachable node, and a machine that dials it");
  const server = await walk.start("router --name myserver1 --link tcp://127.0.0.1:0 --listen http://127.0.0.1:0");
  const [link, edge] = [server.links[0]!, server.listeners[0]!];
  const machine = `connect clock=tcp://127.0.0.1:${clock} --name unreachable1 --router ${link}`;
  const unreachable = await walk.start(`${machine} --admin http://127.0.0.1:0`);
  await walk.check("a server that speaks first is heard by name", async () => {
    const { code, stdout } = await walk.run(`dial unreachable1.clock --router ${link}`);
    assert.deepEqual([code, stdout], [0, "it is late\n"]);
    return stdout.trim();
  });

  walk.part("A service that is registered later, at the machine's own node");
  const app = await http("unreachable1");
  await walk.check("register at run time", async () => {
    const command = `register my-service http://127.0.0.1:${app} --node ${unreachable.admin}`;
    const { code, stdout, stderr } = await walk.run(command);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  });
  await walk.check("an HTTP client reaches it by machine.service", async () => {
    const answer = await until("my-service is there", () => ask(edge, "unreachable1.my-service", "/foo?bar=1"));
    assert.equal(answer, "unreachable1 GET /foo?bar=1\n");
    return answer.trim();
  });
  await walk.check("a service name may have dots", async () => {
    await walk.run(`register a.b http://127.0.0.1:${app} --node ${unreachable.admin}`);
    return (await until("a.b is there", () => ask(edge, "unreachable1.a.b", "/dots"))).trim();
  });

  walk.part("Anything on TCP");
  await walk.run(`register upper tcp://127.0.0.1:${uppercase} --node ${unreachable.admin}`);
  await walk.check("dial: standard input and output, with the end of input", async () => {
    const { code, stdout } = await walk.run(`dial unreachable1.upper --router ${link}`, "all of it");
    assert.deepEqual([code, stdout], [0, "ALL OF IT"]);
    return stdout;
  });
  const forward = await walk.start(`forward tcp://127.0.0.1:0=unreachable1.upper --router ${link}`);
  const port = Number(new URL(forward.listeners[0]!).port);
  await walk.check("forward: data right behind the connect, ends both ways", async () => {
    const said = await say(port, "straight away");
    assert.equal(said, "STRAIGHT AWAY");
    return said;
  });

  await dialFromAProgram(walk, link);

  walk.part("Names that lead nowhere");
  await walk.check("an unknown machine is an error that names it", async () => {
    const { code, stderr } = await walk.run(`dial unreachable2.upper --router ${link} --wait 300ms`);
    assert.equal(code, 1);
    assert.match(stderr, /unreachable2/);
    return stderr.trim();
  });

  walk.part("Two machines of one name");
  const [left, right] = [await http("left"), await http("right")];
  for (const app of [left, right]) {
    await walk.start(`connect web=http://127.0.0.1:${app} --name phone0 --router ${link}`);
  }
  await walk.check("both serve, in equal parts", async () => {
    await until("both", async () => new Set(await several(edge, 8)).size === 2 && true);
    const said = await several(edge, 100);
    const lefts = said.filter((answer) => answer.startsWith("left")).length;
    assert.ok(lefts > 20 && lefts < 80, `${lefts} of 100`);
    return `left ${lefts}, right ${100 - lefts}`;
  });

  walk.part("The reachable node dies and comes back");
  await walk.check("the machine dials it again, and what was registered is still there", async () => {
    await server.kill();
    await walk.start(`router --name myserver1 --link ${link} --listen ${edge}`);
    const answer = await until("my-service is back", () => ask(edge, "unreachable1.my-service", "/again"));
    assert.equal(await until("the forwarded port is back", () => sayOrNothing(port, "again")), "AGAIN");
    return answer.trim();
  });
});

/** The answer to a GET whose Host is `service`; false while there is none. */
async function ask(edge: string, service: string, path: string): Promise<string | false> {
  const { port } = new URL(edge);
  const socket = connect(Number(port), "127.0.0.1");
  socket.on("error", () => {});
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${service}\r\nConnection: close\r\n\r\n`);
  const answer = await text(socket).catch(() => "");
  return answer.startsWith("HTTP/1.1 200") && answer.slice(answer.indexOf("\r\n\r\n") + 4);
}

async function several(edge: string, count: number): Promise<string[]> {
  const answers = await Promise.all(Array.from({ length: count }, () => ask(edge, "phone0.web", "/")));
  return answers.map(String);
}

/** What a service of the port answers to all that it is sent. */
async function say(port: number, said: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end(said);
  return await text(socket);
}

async function sayOrNothing(port: number, said: string): Promise<string | false> {
  return await say(port, said).catch(() => false as const);
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

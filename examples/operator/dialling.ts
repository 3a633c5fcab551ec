/** The Operator example's part within a program: a dialer, its resolver, and whatever client is plugged into it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { get } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

// "polarity-proxy" in a program of one's own.
import { connectAndServe, createDialer } from "../../src/index.ts";
import { until, type Walk } from "../support/walk.ts";

/** Needs `unreachable1` at the router `link`, with the services `my-service`, `a.b`, `upper` and `clock`. */
export async function dialFromAProgram(walk: Walk, link: string): Promise<void> {
  walk.part('In a program: createDialer({ resolver: { unreachable1: "…" } })');
  const dialer = createDialer({ resolver: { unreachable1: link } });
  walk.after(() => dialer.close());

  await walk.check("fetch takes http://unreachable1.my-service/foo", async () => {
    const response = await dialer.fetch("http://unreachable1.my-service/foo");
    assert.deepEqual([response.status, await response.text()], [200, "unreachable1 GET /foo\n"]);
    return "unreachable1 GET /foo";
  });
  await walk.check("so does node:http with the dialer's agent, whatever the port", async () => {
    const request = get("http://unreachable1.my-service:8080/foo", { agent: dialer.agent() });
    const [response] = (await once(request, "response")) as [NodeJS.ReadableStream];
    assert.equal(await text(response), "unreachable1 GET /foo\n");
    return "unreachable1 GET /foo";
  });
  await walk.check("the machine is what stands before the first dot: unreachable1.a.b", async () => {
    const response = await dialer.fetch("http://unreachable1.a.b/dots");
    assert.equal(await response.text(), "unreachable1 GET /dots\n");
    return "service a.b";
  });
  await walk.check("connect gives a stream, with ends both ways", async () => {
    const stream = await dialer.connect("unreachable1.upper");
    stream.end("over a stream");
    const said = await text(stream);
    assert.equal(said, "OVER A STREAM");
    return said;
  });
  await walk.check("a bare name is an error that says the form", async () => {
    return await codeOf(dialer.connect("phone0"), "ADDRESS_INVALID", /machine\.service/);
  });
  await walk.check("a machine that the resolver does not know is an error", async () => {
    return await codeOf(dialer.connect("phone1.hello"), "MACHINE_UNKNOWN", /phone1/);
  });
  await walk.check("a service that the machine does not have is an error, in time", async () => {
    return await codeOf(dialer.connect("unreachable1.nothing", { timeoutMs: 500 }), "NO_OFFER", /nothing/);
  });

  const phone = await connectAndServe({
    routers: [link],
    name: "phone1",
    services: { hello: { fetch: () => new Response("hello from a phone") } },
  });
  walk.after(() => phone.stop());
  await walk.check("a program serves without a port, and its machine is set by hand", async () => {
    dialer.resolver.set("phone1", link);
    const said = await until("phone1 serves", async () => {
      const response = await dialer.fetch("http://phone1.hello/").catch(() => undefined);
      return response !== undefined && response.ok && response.text();
    });
    assert.equal(said, "hello from a phone");
    return said;
  });
  await walk.check("HTTP/2 inside of a stream", async () => {
    const server = createHttp2Server((request, response) => response.end(`h2 ${request.url}`)).listen(0, "127.0.0.1");
    await once(server, "listening");
    walk.after(() => server.close());
    phone.register("h2", `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const session = connectHttp2("http://phone1.h2", { createConnection: () => dialer.open("phone1.h2") });
    const said = await text(session.request({ ":path": "/two" }));
    session.close();
    assert.equal(said, "h2 /two");
    return said;
  });
}

/** Fails unless the promise rejects with this code and message. */
async function codeOf(promise: Promise<unknown>, code: string, message: RegExp): Promise<string> {
  const error = await promise.then(
    () => assert.fail("it did not fail"),
    (reason: unknown) => reason as Error & { code: string },
  );
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return `${code}: ${error.message}`;
}

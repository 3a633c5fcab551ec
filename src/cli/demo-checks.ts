/** The demo's requests: each goes through the router and straight to the app, and both answers must be the same. */
import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";
import { AdminClient } from "../admin/client.ts";
import { fooFigures } from "../admin/foo-endpoints.ts";

/** Where the demo's nodes are. */
export interface DemoPlaces {
  readonly foo: string;
  readonly admin: string;
}

export interface Check {
  readonly name: string;
  /** Resolves with what to tell about it; rejects when the answer is not right. */
  run(router: string, app: string, places: DemoPlaces): Promise<string>;
}

const TIMEOUT_MS = 10_000;
const REQUESTS_IN_A_ROW = 12;
const REQUESTS_AT_ONCE = 24;
const BINARY_BYTES = 300_000;

export const CHECKS: readonly Check[] = [
  {
    name: "GET / gives the app's page",
    run: (router, app) => same(router, app, "/", {}, (answer) => `server: ${answer.server}`),
  },
  {
    name: "POST a=1&b=2 is echoed",
    run: (router, app) => {
      const init = {
        method: "POST",
        body: "a=1&b=2",
        headers: { "Content-Type": "application/x-www-form-urlencoded" },
      };
      return same(router, app, "/echo", init, (answer) => {
        expect(answer.body.toString() === "a=1&b=2", `the echo was ${JSON.stringify(answer.body.toString())}`);
        return answer.body.toString();
      });
    },
  },
  {
    name: "a multipart upload of a 5,000-byte file arrives",
    run: (router, app) => {
      const content = randomBytes(5000);
      // FormData chooses a fresh boundary for each request, which must not make the answers differ.
      return same(
        router,
        app,
        "/upload",
        () => ({ method: "POST", body: formOf(content) }),
        (answer) => {
          const text = answer.body.toString();
          expect(text.includes(hashOf(content)) && text.includes('"bytes": 5000'), "the app saw other bytes");
          return `sha256 ${hashOf(content).slice(0, 12)}…`;
        },
      );
    },
  },
  {
    name: "a query string arrives as it was sent",
    run: (router, app) =>
      same(router, app, "/query?q=two%20words&empty=&q=%C3%BC&plus=a+b", {}, (answer) => {
        expect(answer.body.toString().includes("ü"), "the query was changed");
        return "q=two%20words&empty=&q=%C3%BC";
      }),
  },
  {
    name: "a binary body comes back byte for byte",
    run: (router, app) => {
      const content = randomBytes(BINARY_BYTES);
      return same(router, app, "/echo", { method: "POST", body: content }, (answer) => {
        expect(hashOf(answer.body) === hashOf(content), "the echo has other bytes");
        return `${BINARY_BYTES} bytes`;
      });
    },
  },
  {
    name: `${REQUESTS_IN_A_ROW} requests in a row`,
    run: async (router, app) => {
      for (let index = 0; index < REQUESTS_IN_A_ROW; index++)
        await same(router, app, `/query?n=${index}`, {}, () => "");
      return "none was kept waiting";
    },
  },
  {
    name: `${REQUESTS_AT_ONCE} requests at once`,
    run: async (router, app) => {
      const requests = Array.from({ length: REQUESTS_AT_ONCE }, (_, index) =>
        same(router, app, `/query?n=${index}`, {}, () => ""),
      );
      await Promise.all(requests);
      return "over one link";
    },
  },
  { name: "a websocket talks to the app", run: (router) => webSocketEcho(router) },
  { name: "messages of the Foo Protocol get their answers", run: (_router, _app, { foo }) => fooAnswers(foo) },
  { name: "the router's analyzer has counted them", run: (_router, _app, { admin }) => fooCounts(admin) },
];

const FOO_ASKED = "REQ 1 Hey\nREQ 5 Hey\n";
const FOO_ANSWERED = "ACK 1 f2e400a9bdc463dc10aa3596e0fe036a\nNAK 5 2375d78ba68f41491c19f88c91d73dc5\n";

interface Answer {
  readonly status: number;
  readonly server: string;
  readonly type: string;
  readonly body: Buffer;
}

async function same(
  router: string,
  app: string,
  path: string,
  init: RequestInit | (() => RequestInit),
  describe: (answer: Answer) => string,
): Promise<string> {
  const make = typeof init === "function" ? init : () => init;
  const [through, straight] = await Promise.all([send(router, path, make()), send(app, path, make())]);
  expect(through.status === 200, `status ${through.status}: ${through.body.toString().slice(0, 200).trim()}`);
  expect(through.status === straight.status, `status ${through.status}, but straight from the app ${straight.status}`);
  expect(through.server === straight.server, `server ${through.server}, but straight from the app ${straight.server}`);
  expect(through.type === straight.type, `type ${through.type}, but straight from the app ${straight.type}`);
  expect(through.body.equals(straight.body), "the body differs from what the app sends");
  return describe(through);
}

async function send(origin: string, path: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(`${origin}${path}`, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
  return {
    status: response.status,
    server: response.headers.get("server") ?? "",
    type: response.headers.get("content-type") ?? "",
    body: Buffer.from(await response.arrayBuffer()),
  };
}

function webSocketEcho(router: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = new WebSocket(`${router.replace(/^http/, "ws")}/socket`);
  const timer = setTimeout(() => reject(new Error(`no answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
  socket.addEventListener("open", () => socket.send("hello over the link"));
  socket.addEventListener("message", ({ data }) => {
    if (data === "hello over the link") resolve("echoed");
    else reject(new Error(`the echo was ${JSON.stringify(data)}`));
  });
  socket.addEventListener("error", () => reject(new Error("the websocket broke")));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

function fooAnswers(url: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), timeout: TIMEOUT_MS });
  let said = "";
  socket.setEncoding("utf8");
  socket.on("connect", () => socket.write(FOO_ASKED));
  socket.on("data", (text: string) => {
    said += text;
    if (said === FOO_ANSWERED) resolve("ACK 1, NAK 5");
    else if (!FOO_ANSWERED.startsWith(said)) reject(new Error(`the answers were ${JSON.stringify(said)}`));
  });
  socket.on("timeout", () => reject(new Error(`no answer within ${TIMEOUT_MS} ms`)));
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("the connection ended before the answers")));
  return promise.finally(() => socket.destroy());
}

/** By the admin API of the router, which has them before the client gets an answer. */
async function fooCounts(admin: string): Promise<string> {
  const { analyses } = await new AdminClient({ url: admin, token: undefined, timeoutMs: TIMEOUT_MS }).view();
  const figures = fooFigures(analyses[0]?.statistics ?? {});
  const counted = ["msg_req", "msg_ack", "msg_nak"].map((key) => `${key}=${figures[key]}`).join(" ");
  expect(counted === "msg_req=2 msg_ack=1 msg_nak=1", `it counted ${counted}`);
  return counted;
}

function formOf(content: Buffer): FormData {
  const form = new FormData();
  form.set("note", "from the demo");
  form.set("file", new Blob([new Uint8Array(content)]), "demo.bin");
  return form;
}

function hashOf(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

function expect(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}

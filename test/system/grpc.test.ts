/** gRPC from end to end: its own client and server, a listener, a link and an h2c target between them. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  type ChannelCredentials,
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { startPair } from "../support/cluster.ts";
import { soon } from "../support/patience.ts";

interface Message {
  readonly text: string;
}

const encode = (message: Message): Buffer => Buffer.from(JSON.stringify(message));
const decode = (bytes: Buffer): Message => JSON.parse(bytes.toString()) as Message;

function method(name: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: encode,
    requestDeserialize: decode,
    responseSerialize: encode,
    responseDeserialize: decode,
  };
}

const ECHO = {
  one: method("One", false, false),
  many: method("Many", false, true),
  sum: method("Sum", true, false),
  talk: method("Talk", true, true),
};

interface Calls {
  cancelled: PromiseWithResolvers<void>;
}

async function startEcho(t: TestContext) {
  const calls: Calls = { cancelled: Promise.withResolvers() };
  const server = new Server();
  server.addService(ECHO, {
    one(call: ServerUnaryCall<Message, Message>, answer: sendUnaryData<Message>) {
      const { text } = call.request;
      if (text === "fail") {
        const trailers = new Metadata();
        trailers.set("x-detail", "seven");
        answer({ code: status.FAILED_PRECONDITION, details: "not now: é", metadata: trailers });
      } else if (text === "never") call.on("cancelled", () => calls.cancelled.resolve());
      else {
        const trailers = new Metadata();
        trailers.set("x-sum", String(text.length));
        call.sendMetadata(call.metadata);
        answer(null, { text: `echo ${text.slice(0, 10)} ${text.length}` }, trailers);
      }
    },
    many(call: ServerWritableStream<Message, Message>) {
      for (let index = 0; index < 100; index++) call.write({ text: `${call.request.text} ${index}` });
      call.end();
    },
    sum(call: ServerReadableStream<Message, Message>, answer: sendUnaryData<Message>) {
      let count = 0;
      call.on("data", () => count++);
      call.on("end", () => answer(null, { text: String(count) }));
    },
    talk(call: ServerDuplexStream<Message, Message>) {
      call.on("data", (message: Message) => call.write({ text: `heard ${message.text}` }));
      call.on("end", () => call.end());
      call.on("cancelled", () => calls.cancelled.resolve());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  t.after(() => server.forceShutdown());
  const router = await startPair(t, `h2c://127.0.0.1:${port}`);
  const client = clientOf(t, router.port, credentials.createInsecure());
  return { calls, client, router };
}

function clientOf(t: TestContext, port: number, channel: ChannelCredentials): Client {
  const client = new Client(`127.0.0.1:${port}`, channel);
  t.after(() => client.close());
  return client;
}

interface Answered {
  readonly error: ServiceError | null;
  readonly message: Message | undefined;
  readonly trailers: Metadata;
}

function askOne(client: Client, text: string, options: { deadline?: number } = {}): Promise<Answered> {
  return new Promise((resolve) => {
    let error: ServiceError | null = null;
    let message: Message | undefined;
    const call = client.makeUnaryRequest(
      ECHO.one.path,
      encode,
      decode,
      { text },
      new Metadata(),
      options,
      (failed, answer) => {
        error = failed;
        message = answer;
      },
    );
    call.on("status", ({ metadata }) => setImmediate(() => resolve({ error, message, trailers: metadata })));
  });
}

test("unary calls, small and large, with metadata and trailers", async (t) => {
  const { client } = await startEcho(t);
  const answer = await askOne(client, "hello");
  assert.deepEqual([answer.error, answer.message?.text], [null, "echo hello 5"]);
  assert.deepEqual(answer.trailers.get("x-sum"), ["5"]);
  const large = await askOne(client, "x".repeat(2 * 1024 * 1024));
  assert.equal(large.message?.text, `echo xxxxxxxxxx ${2 * 1024 * 1024}`);
  const many = await Promise.all(Array.from({ length: 200 }, (_, index) => askOne(client, String(index))));
  assert.ok(many.every(({ error }) => error === null));
});

test("an error's status, details and metadata arrive from its trailers", async (t) => {
  const { client } = await startEcho(t);
  const { error, trailers } = await askOne(client, "fail");
  assert.equal(error?.code, status.FAILED_PRECONDITION);
  assert.equal(error.details, "not now: é");
  assert.deepEqual(trailers.get("x-detail"), ["seven"]);
});

test("streams of answers, of requests, and of both", async (t) => {
  const { client } = await startEcho(t);
  const answers: string[] = [];
  const many = client.makeServerStreamRequest(ECHO.many.path, encode, decode, { text: "n" });
  for await (const { text } of many as AsyncIterable<Message>) answers.push(text);
  assert.deepEqual([answers.length, answers.at(-1)], [100, "n 99"]);

  const sum = new Promise<Message | undefined>((resolve, reject) => {
    const call = client.makeClientStreamRequest<Message, Message>(ECHO.sum.path, encode, decode, (error, answer) => {
      if (error === null) resolve(answer);
      else reject(error);
    });
    for (let index = 0; index < 50; index++) call.write({ text: "x" });
    call.end();
  });
  assert.equal((await sum)?.text, "50");

  const talk = client.makeBidiStreamRequest<Message, Message>(ECHO.talk.path, encode, decode);
  const heard: string[] = [];
  talk.write({ text: "0" });
  for await (const { text } of talk as AsyncIterable<Message>) {
    // Each word is an answer to the last: nothing may wait for the end of either direction.
    heard.push(text);
    if (heard.length === 20) talk.end();
    else talk.write({ text: String(heard.length) });
  }
  assert.deepEqual([heard.length, heard.at(-1)], [20, "heard 19"]);
});

test("a deadline and a cancelled call reach the server", async (t) => {
  const { client, calls } = await startEcho(t);
  const late = await askOne(client, "never", { deadline: Date.now() + 300 });
  assert.equal(late.error?.code, status.DEADLINE_EXCEEDED);
  await soon("the server hears of the deadline", calls.cancelled.promise);
  calls.cancelled = Promise.withResolvers();
  const talk = client.makeBidiStreamRequest<Message, Message>(ECHO.talk.path, encode, decode);
  const failed = new Promise<ServiceError>((resolve) => talk.on("error", resolve));
  talk.on("data", () => talk.cancel());
  talk.write({ text: "x" });
  assert.equal((await failed).code, status.CANCELLED);
  await soon("the server hears of the cancellation", calls.cancelled.promise);
});

test("a service that nobody offers, and an app that is gone, are UNAVAILABLE", async (t) => {
  const router = await startPair(t, "h2c://127.0.0.1:1");
  const client = clientOf(t, router.port, credentials.createInsecure());
  const { error } = await askOne(client, "hello");
  assert.equal(error?.code, status.UNAVAILABLE);
  assert.match(error.details, /cannot reach h2c:\/\/127\.0\.0\.1:1/);
});

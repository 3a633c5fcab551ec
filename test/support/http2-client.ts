/** An HTTP/2 client with prior knowledge, and one request of it taken to its end. */
import { type ClientHttp2Session, connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import type { TestContext } from "node:test";

export interface Http2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly interim: readonly IncomingHttpHeaders[];
  readonly trailers: IncomingHttpHeaders | undefined;
  readonly text: string;
  /** The stream's RST_STREAM code; 0 for a clean end. */
  readonly code: number;
  /** The body ended by END_STREAM. */
  readonly ended: boolean;
}

export function http2Session(t: TestContext, port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  t.after(() => session.destroy());
  return session;
}

export interface Http2Ask {
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
  readonly trailers?: OutgoingHttpHeaders;
}

/** Resolves when the stream has closed, however it did. */
export function askHttp2(session: ClientHttp2Session, path: string, ask: Http2Ask = {}): Promise<Http2Answer> {
  const { headers = {}, body, trailers } = ask;
  const stream = session.request(
    { ":path": path, ...headers },
    { endStream: body === undefined, waitForTrailers: trailers !== undefined },
  );
  if (trailers !== undefined) stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  if (body !== undefined) stream.end(body);
  return new Promise((resolve) => {
    let response: IncomingHttpHeaders = {};
    let received: IncomingHttpHeaders | undefined;
    let ended = false;
    const interim: IncomingHttpHeaders[] = [];
    const chunks: Buffer[] = [];
    stream.on("headers", (fields) => interim.push(fields));
    stream.on("response", (fields) => (response = fields));
    stream.on("trailers", (fields) => (received = fields));
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => (ended = stream.rstCode === 0 && !stream.aborted));
    stream.on("error", () => {});
    stream.on("close", () => {
      resolve({
        status: Number(response[":status"] ?? 0),
        headers: response,
        interim,
        trailers: received,
        text: Buffer.concat(chunks).toString(),
        code: stream.rstCode,
        ended,
      });
    });
  });
}

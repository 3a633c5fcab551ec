/** `polarity dial`: standard input and output as the two ends of one stream, each half closed on its own. */
import { closeSync } from "node:fs";
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import type { ServiceReference } from "../base/argument.ts";
import { systemClock } from "../base/clock.ts";
import { PolarityError } from "../base/errors.ts";
import { parseDuration } from "../config/fields.ts";
import type { WaitFlags } from "./command-flags.ts";
import { EXIT } from "./exit-code.ts";
import { dialConfig } from "./flag-config.ts";
import { createLogger } from "./log.ts";
import { RouterFailures } from "./router-failures.ts";
import { reportReservedSignal, RESERVED_SIGNAL } from "./reserved-signal.ts";
import { packageVersion } from "../sdk/version.ts";

export async function runDial({ service, node: nodeName }: ServiceReference, flags: WaitFlags): Promise<number> {
  const waitMs = parseDuration(flags.wait);
  if (waitMs === undefined) throw new PolarityError("USAGE", "--wait: expected a duration such as 5s, 250ms or 1m");
  const warnings: string[] = [];
  const config = dialConfig({ logLevel: "warn", ...flags }, warnings);
  const logger = await createLogger(config.log, config.node.name);
  for (const warning of warnings) logger.warn({}, warning);
  const { createNode } = await import("../node/node.ts");
  const routers = new RouterFailures(config.links.dial.map(({ address }) => address.url));
  const node = createNode(config, { logger, clock: systemClock, version: packageVersion(), observer: routers });
  const stop = (): void => process.exit(EXIT.failed);
  process.on(RESERVED_SIGNAL, () => reportReservedSignal(logger));
  process.once("SIGTERM", stop).once("SIGINT", stop);
  try {
    await node.start();
    const opened = node.open(service, nodeName, waitMs).catch((error: unknown) => {
      throw routers.instead(error);
    });
    const stream = await Promise.race([opened, routers.rejected]);
    await pipe(stream, process.stdin, process.stdout);
    return EXIT.done;
  } finally {
    await node.stop();
    // Reading from a terminal would keep the process when the far side has ended.
    process.stdin.destroy();
  }
}

/** Resolves when both sides have ended and everything was written; rejects when the stream breaks. */
function pipe(stream: ByteStream, input: NodeJS.ReadStream, output: NodeJS.WriteStream): Promise<void> {
  const done = Promise.withResolvers<void>();
  const sink = new OutputSink(stream, input, output, done);
  stream.sink = sink;
  input.on("data", (chunk: Buffer) => {
    if (!stream.write(chunk)) input.pause();
  });
  input.once("end", () => {
    stream.end();
    sink.inputEnded();
  });
  input.once("error", (error) => {
    const broken = new PolarityError("CLIENT_GONE", `standard input broke: ${error.message}`, error);
    stream.reset(broken);
    done.reject(broken);
  });
  return done.promise;
}

class OutputSink implements ByteSink {
  readonly #stream: ByteStream;
  readonly #input: NodeJS.ReadStream;
  readonly #output: NodeJS.WriteStream;
  readonly #done: PromiseWithResolvers<void>;
  #inputEnded = false;
  #outputEnded = false;

  constructor(
    stream: ByteStream,
    input: NodeJS.ReadStream,
    output: NodeJS.WriteStream,
    done: PromiseWithResolvers<void>,
  ) {
    this.#stream = stream;
    this.#input = input;
    this.#output = output;
    this.#done = done;
  }

  data(chunk: Buffer): void {
    // Credit goes back when the bytes have left, so that a slow reader behind a pipe slows the far side.
    this.#output.write(Buffer.from(chunk), () => this.#stream.consumed(chunk.length));
  }

  end(): void {
    // An empty write calls back once everything before it has left.
    this.#output.write("", () => {
      this.#outputEnded = true;
      // Nobody types on for a side that has ended; a program may still have something to send.
      if (this.#inputEnded || this.#input.isTTY) this.#done.resolve();
      // Node keeps standard output open to its end; the reader behind a pipe should learn of the half-close now.
      else if (!this.#output.isTTY) closeSync(1);
    });
  }

  inputEnded(): void {
    this.#inputEnded = true;
    if (this.#outputEnded) this.#done.resolve();
  }

  reset(error: PolarityError): void {
    this.#done.reject(error);
  }

  drain(): void {
    this.#input.resume();
  }
}

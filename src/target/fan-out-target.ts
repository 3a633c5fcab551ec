/** Serves each stream with several targets at once: a one-to-N session on the app's side of a link. */
import type { ByteStream } from "../base/byte-stream.ts";
import type { Clock } from "../base/clock.ts";
import type { PolarityError } from "../base/errors.ts";
import type { FanOutPolicy } from "../base/fan-out-policy.ts";
import { StreamRequest, type StreamProtocol } from "../base/upstream.ts";
import type { ServerTallies } from "../registry/server-tallies.ts";
import { FanOutSession } from "../session/fan-out-session.ts";
import { LocalUpstream } from "./local-upstream.ts";
import type { Target } from "./target.ts";

export interface FanOutTargetOptions {
  readonly service: string;
  readonly protocol: StreamProtocol;
  readonly policy: FanOutPolicy;
  readonly targets: readonly Target[];
  readonly clock: Clock;
  readonly tallies: () => ServerTallies;
}

export class FanOutTarget implements Target {
  readonly url: string;
  /** The targets, for sessions that take each for itself. */
  readonly parts: readonly LocalUpstream[];
  readonly #options: FanOutTargetOptions;
  readonly #sessions = new Set<FanOutSession>();

  constructor(options: FanOutTargetOptions) {
    this.#options = options;
    this.url = options.targets.map(({ url }) => url).join(" ");
    this.parts = options.targets.map((target) => new LocalUpstream(target.url, () => target));
  }

  get active(): number {
    return this.#sessions.size + this.#options.targets.reduce((sum, { active }) => sum + active, 0);
  }

  accept(stream: ByteStream, client: string): void {
    const { service, protocol, policy, clock, tallies } = this.#options;
    const session = new FanOutSession({
      client: stream,
      request: new StreamRequest(service, protocol, client),
      policy,
      clock,
      tallies: tallies(),
      finished: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    for (const upstream of this.parts) session.add({ name: upstream.node, upstream });
    session.begin();
  }

  sweep(now: number): void {
    for (const target of this.#options.targets) target.sweep(now);
    for (const session of this.#sessions) session.sweep(now);
  }

  drain(): void {
    for (const target of this.#options.targets) target.drain?.();
  }

  close(error: PolarityError): void {
    for (const session of this.#sessions) session.abort(error);
    for (const target of this.#options.targets) target.close(error);
  }
}

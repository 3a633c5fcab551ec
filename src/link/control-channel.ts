/**
 * The control stream of a link: lines in, checked and paced; lines out, bounded even if the peer never reads.
 *
 * While the peer does not read, or has been told as much as it takes in the time, offers and withdrawals collapse to the
 * latest word per service, and error notices are dropped: they are advice, and a peer could provoke any number of them.
 * Lines that answer streams of the reader are no burden that the writer chose. They count on neither side, one a stream.
 */
import type { ByteSink } from "../base/byte-stream.ts";
import type { Clock } from "../base/clock.ts";
import { PolarityError } from "../base/errors.ts";
import { internalError } from "../base/internal-error.ts";
import type { MuxStream } from "../mux/mux-stream.ts";
import type { Announcement, OnwardPath } from "../registry/announcement.ts";
import {
  announcementFields,
  type ControlMessage,
  formatControlMessage,
  onwardFields,
  parseControlMessage,
} from "./control-messages.ts";
import { LinePace } from "./line-pace.ts";
import { LineSplitter } from "./line-splitter.ts";
import { type LinkLimits, MESSAGE_LENGTH_MAX } from "./link-limits.ts";
import { type ToldLimits, UNTOLD_LIMITS } from "./told-limits.ts";

export interface ControlEvents {
  /** May throw a `PolarityError`, which comes back through `broken`. */
  message(message: ControlMessage): void;
  /** True, once for each stream that we opened: the peer says why it refuses or breaks it. */
  answers(stream: number): boolean;
  /** The peer broke a rule, ended the stream or reset it. */
  broken(error: PolarityError): void;
}

/** Lines that wait for the peer, from which on others' offers wait where they are. */
const WAITING_MANY = 256;
/** Streams whose `opened` waits for the peer: as many as it may usually have open. */
const UNCONFIRMED_MAX = 16_384;

export class ControlChannel implements ByteSink {
  readonly #stream: MuxStream;
  readonly #events: ControlEvents;
  readonly #limits: LinkLimits;
  readonly #clock: Clock;
  readonly #lines: LineSplitter;
  /** Lines that may still come now; refilled with time. */
  #allowance: number;
  #allowanceAt: number;
  #blocked = false;
  /** The latest word on each offer, by service and, where it leads on, who serves; and on what else may change. */
  readonly #waiting = new Map<string, string>();
  /** Streams of which the peer waits to hear that they are served; who opened one may say nothing before. */
  readonly #unconfirmed: number[] = [];
  readonly #pace: LinePace;
  /** The peer counts the lines that answer its streams, too. */
  #countsAnswers = UNTOLD_LIMITS.untold;
  #over = false;
  /** Lines that we asked for: they are no burden that the peer chose. */
  #expected = 0;

  /** Sends on `stream`; set this as its sink. */
  constructor(stream: MuxStream, limits: LinkLimits, clock: Clock, events: ControlEvents) {
    this.#stream = stream;
    this.#limits = limits;
    this.#clock = clock;
    this.#events = events;
    this.#lines = new LineSplitter(limits.controlLineBytesMax);
    this.#allowance = limits.controlLinesBurst;
    this.#allowanceAt = clock.now();
    this.#pace = new LinePace(UNTOLD_LIMITS.lines, UNTOLD_LIMITS.linesAtOnce, clock.now());
  }

  /** What the peer takes. */
  limit({ lines, linesAtOnce, untold }: ToldLimits): void {
    this.#pace.limit(lines, linesAtOnce);
    this.#countsAnswers = untold;
  }

  /** The peer does not read as fast as it is told: what changes should wait until it does. */
  get blocked(): boolean {
    return this.#blocked || this.#waiting.size >= WAITING_MANY;
  }

  /** Sends a formatted line at once. */
  send(line: string): void {
    if (!this.#stream.writeLatin1(line)) this.#blocked = true;
  }

  /** Sends the first line, and the offers that stand behind it. */
  introduce(lines: string): void {
    for (let at = lines.indexOf("\n"); at >= 0; at = lines.indexOf("\n", at + 1)) this.#pace.spend();
    this.send(lines);
  }

  /** Says what takes the place of the last word of its type. */
  update(type: "cost" | "routers", fields: Readonly<Record<string, unknown>>): void {
    this.#say(`\n${type}`, formatControlMessage(type, fields));
  }

  offer(announcement: Announcement, onward: OnwardPath | undefined): void {
    const more = onward === undefined ? {} : onwardFields(onward);
    const line = formatControlMessage("offer", { ...announcementFields(announcement), ...more });
    this.#say(offerKey(announcement.service, onward?.hops.at(-1)?.instance), line);
  }

  withdraw(service: string, origin: string | undefined): void {
    this.#say(offerKey(service, origin), formatControlMessage("withdraw", { service, origin }));
  }

  error(error: PolarityError, stream: number | undefined): void {
    if (this.#blocked || !this.#stream.takesNotes) return;
    const isFree = stream !== undefined && !this.#countsAnswers;
    if (!isFree && !this.#pace.take(this.#clock.now())) return;
    const message = error.message.slice(0, MESSAGE_LENGTH_MAX);
    const line = formatControlMessage("error", { code: error.code, message, stream });
    // The RST of the stream follows at once and waits for nobody.
    if (!this.#stream.writeUrgently(line)) this.#blocked = true;
  }

  /** The peer was asked to say `opened` of a stream. */
  expectOpened(): void {
    this.#expected++;
  }

  confirm(stream: number): void {
    if (!this.#blocked) this.send(formatControlMessage("opened", { stream }));
    else if (this.#unconfirmed.length < UNCONFIRMED_MAX) this.#unconfirmed.push(stream);
  }

  data(chunk: Buffer): void {
    this.#stream.consumed(chunk.length);
    if (this.#over) return;
    try {
      if (!this.#lines.push(chunk, this.#line)) {
        throw new PolarityError("LINK_LIMIT", `a control line of more than ${this.#limits.controlLineBytesMax} bytes`);
      }
    } catch (error) {
      this.#break(error instanceof PolarityError ? error : internalError("link", error));
    }
  }

  end(): void {
    this.#break(new PolarityError("LINK_LOST", "the peer ended the control stream"));
  }

  reset(): void {
    this.#break(new PolarityError("LINK_LOST", "the peer reset the control stream"));
  }

  drain(): void {
    this.#blocked = false;
    let told = 0;
    while (!this.#blocked && told < this.#unconfirmed.length) {
      this.send(formatControlMessage("opened", { stream: this.#unconfirmed[told++] }));
    }
    this.#unconfirmed.splice(0, told);
    this.tick();
  }

  /** A few times a second: what waited for the pace goes on. */
  tick(): void {
    if (this.#waiting.size === 0) return;
    const now = this.#clock.now();
    for (const [key, line] of this.#waiting) {
      if (this.#blocked || !this.#pace.take(now)) return;
      this.#waiting.delete(key);
      this.send(line);
    }
  }

  /** Never ahead of an older word on the same. */
  #say(key: string, line: string): void {
    const mayLeave = !this.#blocked && this.#waiting.size === 0 && this.#pace.take(this.#clock.now());
    if (mayLeave) this.send(line);
    else this.#waiting.set(key, line);
  }

  readonly #line = (bytes: Buffer): void => {
    if (this.#over) return;
    const message = parseControlMessage(bytes.toString("utf8"));
    if (message?.type === "opened" && this.#expected > 0) this.#expected--;
    else if (!this.#isAnswer(message)) this.#count();
    if (message !== undefined) this.#events.message(message);
  };

  #isAnswer(message: ControlMessage | undefined): boolean {
    return message?.type === "error" && message.stream !== undefined && this.#events.answers(message.stream);
  }

  #count(): void {
    const { controlLinesBurst, controlLinesPerSecond } = this.#limits;
    const now = this.#clock.now();
    const refill = ((now - this.#allowanceAt) / 1_000) * controlLinesPerSecond;
    this.#allowance = Math.min(controlLinesBurst, this.#allowance + refill) - 1;
    this.#allowanceAt = now;
    if (this.#allowance < 0) {
      throw new PolarityError("LINK_LIMIT", `more than ${controlLinesPerSecond} control lines a second`);
    }
  }

  #break(error: PolarityError): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.broken(error);
  }
}

/** Tells offers of one link apart. Neither part has control characters. */
export function offerKey(service: string, origin: string | undefined): string {
  return origin === undefined ? service : `${service}\n${origin}`;
}

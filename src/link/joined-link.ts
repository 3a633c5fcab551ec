/**
 * One link, from its first byte to its last: the handshake, the control stream, and streams both ways.
 *
 * open: one mux stream, no other allocation. accept: a sink for the preamble and a thin stream. Everything else happens
 * once per link or once per control line. Whoever dialled or accepted the link owns it and hears how it ends; the node
 * hears of it only between `joined` and `closed`.
 */
import { type ByteSink, type ByteStream, NO_SINK } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import type { Holder } from "../base/held-memory.ts";
import { guarded } from "../base/internal-error.ts";
import type { StreamRequest } from "../base/upstream.ts";
import type { MuxStream } from "../mux/mux-stream.ts";
import type { Announcement, OnwardPath } from "../registry/announcement.ts";
import { ControlChannel, type ControlEvents } from "./control-channel.ts";
import { acceptorIdentity } from "./certificate-identity.ts";
import { type ControlMessage, formatControlMessage, type Hello, type Welcome } from "./control-messages.ts";
import { type DrainEvent, type DrainState, nextDrainState } from "./drain-state.ts";
import { type DriverEvents, LinkDriver } from "./driver.ts";
import {
  checkProtocolVersion,
  formatHello,
  formatReject,
  formatWelcome,
  type HandshakeState,
  nextHandshakeState,
} from "./handshake.ts";
import { introductionOf, type LinkContext, type LinkOwner, type LinkSide } from "./link-context.ts";
import { linkHolders, payerOf } from "./link-holders.ts";
import { type LinkEvent, nextLinkState } from "./link-state.ts";
import { CONFIRM_FEATURE, FIN_WITH_DATA } from "./features.ts";
import type { Link, LinkPeer, LinkState, LinkStatistics } from "./link.ts";
import { statisticsOf } from "./link-statistics.ts";
import { tellOfferChanges } from "./offer-changes.ts";
import { CONTROL_STREAM_ID, noRoom, openedHere, refusedByPeer, takesReason } from "./opened-streams.ts";
import { peerError } from "./peer-error.ts";
import { PeerOffers } from "./peer-offers.ts";
import { PeerStreams } from "./peer-streams.ts";
import type { ToldLimits } from "./told-limits.ts";
import type { Transport } from "./transport.ts";

let linksCreated = 0;

export class JoinedLink implements Link, DriverEvents, ControlEvents {
  readonly id = `link-${++linksCreated}`;
  readonly transport: string;
  readonly dialled: boolean;
  readonly features: readonly string[];
  confirms = false;
  readonly linked = true;
  readonly #context: LinkContext;
  readonly #side: LinkSide;
  readonly #owner: LinkOwner;
  readonly #transport: Transport;
  readonly #driver: LinkDriver;
  #control: ControlChannel | undefined;
  #state: LinkState = "joining";
  #handshake: HandshakeState;
  #peer: LinkPeer;
  #cost = 0;
  /** The peer resets a stream itself after the line that says why. */
  #peerResets = false;
  readonly #peerStreams: PeerStreams;
  /** What we said in our hello that we offer. */
  #introduced: readonly Announcement[] = [];
  readonly #offered: PeerOffers;
  #drain: DrainState = "none";
  /** Runs while something is expected of the peer: the handshake first, an answer to `drain` later. */
  #deadline: NodeJS.Timeout | undefined;
  #wasJoined = false;

  /** `handshakeMs`: what is left of the time for the handshake. */
  constructor(transport: Transport, side: LinkSide, context: LinkContext, owner: LinkOwner, handshakeMs: number) {
    this.#context = context;
    this.#side = side;
    this.#owner = owner;
    this.#transport = transport;
    this.transport = transport.kind;
    this.dialled = side.kind === "dialler";
    this.features = [FIN_WITH_DATA, CONFIRM_FEATURE, ...(side.features ?? [])];
    this.#offered = new PeerOffers(context.limits.offersMax);
    this.#peerStreams = new PeerStreams(context.limits, {
      control: () => (this.#handshake === "joined" ? this.#control : undefined),
      accepted: (preamble, stream) => context.events.accepted(this, preamble, stream),
    });
    this.#handshake = this.dialled ? "awaiting-welcome" : "awaiting-hello";
    this.#peer = { node: "", instance: "", identity: "", address: transport.remoteAddress, features: [] };
    this.#driver = new LinkDriver(transport, this.dialled ? "client" : "server", this, {
      clock: context.clock,
      limits: context.muxLimits,
      nodeWindowBudget: context.nodeWindowBudget,
      ...(context.firstStreamId === undefined || this.dialled ? {} : { firstStreamId: context.firstStreamId }),
    });
    this.#deadline = setTimeout(() => {
      const why = `the handshake with ${this.#who} took longer than ${handshakeMs} ms`;
      guarded("timer", () => this.close(new PolarityError("LINK_TIMEOUT", why)));
    }, handshakeMs);
  }

  /** Starts reading, and says hello if we dialled. Call once. */
  start(): void {
    const side = this.#side;
    if (side.kind === "dialler") {
      this.#cost = side.cost;
      const stream = this.#driver.session.open(NO_SINK);
      if (stream !== undefined) this.#useControlStream(stream);
      const introduction = introductionOf(this.#context, this.features);
      this.#introduced = introduction.offers;
      this.#control?.introduce(formatHello(introduction, side.token, side.cost));
    }
    this.#driver.start();
  }

  // ── Link ──

  get node(): string {
    return this.#peer.node;
  }

  get cost(): number {
    return this.#cost;
  }

  get peer(): LinkPeer {
    return this.#peer;
  }

  get state(): LinkState {
    return this.#state;
  }

  open(request: StreamRequest, first: string, second: string, sink: ByteSink): ByteStream | undefined {
    if (this.#state !== "up") return undefined;
    const stream = this.#driver.session.open(sink, request);
    if (stream === undefined) return undefined;
    if (request.confirm) this.#control?.expectOpened();
    stream.writeLatin1(request.preamble, first, second);
    return stream;
  }

  get payer(): string {
    return payerOf(this.#peer);
  }

  refusal(request: StreamRequest): PolarityError | undefined {
    const { nodeWindowBudget } = this.#context;
    if (this.#state !== "up") return undefined;
    return nodeWindowBudget.refusal ?? noRoom(this.#driver.session, request, this.#who);
  }

  holders(now: number): Holder[] {
    return linkHolders(this.#driver.session, this.#peer, now, this.#peerStreams);
  }

  get deaf(): boolean {
    return this.#control?.blocked === true;
  }

  offer(announcement: Announcement, onward?: OnwardPath): void {
    if (this.#handshake === "joined") this.#control?.offer(announcement, onward);
  }

  withdraw(service: string, origin?: string): void {
    if (this.#handshake === "joined") this.#control?.withdraw(service, origin);
  }

  setCost(cost: number): void {
    if (!this.dialled || this.#handshake !== "joined" || this.#cost === cost) return;
    this.#control?.update("cost", { cost });
    this.#costIs(cost);
  }

  advise(routers: readonly string[]): void {
    if (this.#handshake === "joined") this.#control?.update("routers", { routers });
  }

  notify(error: PolarityError): void {
    const told = this.#handshake === "joined" ? this.#offered.toTell(error, this.#context.clock.now()) : undefined;
    if (told !== undefined) this.#control?.error(told, undefined);
  }

  dropOffer(service: string, origin: string | undefined): void {
    this.#offered.drop(service, origin);
  }

  drain(): void {
    if (this.#state === "closed") return;
    if (this.#handshake !== "joined") {
      this.close(new PolarityError("LINK_DRAINING", "the link was drained before it had joined"));
      return;
    }
    this.#advanceDrain("send");
    this.#move("drain");
  }

  close(error: PolarityError): void {
    this.#driver.close(error);
  }

  statistics(): LinkStatistics {
    return statisticsOf(this.#driver.session);
  }

  // ── DriverEvents ──

  refused(streamId: number, error: PolarityError): void {
    this.#peerStreams.refuse(streamId, error);
  }

  opened(stream: MuxStream): void {
    if (this.#handshake === "joined") {
      this.#peerStreams.take(stream);
    } else if (this.#handshake === "awaiting-hello" && this.#control === undefined && stream.id === CONTROL_STREAM_ID) {
      this.#useControlStream(stream);
    } else {
      this.close(new PolarityError("LINK_PROTOCOL", `${this.#who} opened stream ${stream.id} before the handshake`));
    }
  }

  ticked(): void {
    this.#control?.tick();
    if (this.dialled && this.#state === "up") this.#owner.used?.(this, this.#driver.session.use);
  }

  silence(suspect: boolean): void {
    this.#move(suspect ? "silent" : "heard");
  }

  peerGoesAway(): void {
    if (this.#handshake !== "joined") return;
    // As good as a drain, except that we can open no stream while we look for another link.
    this.#advanceDrain("received");
    this.drain();
  }

  idsRunOut(): void {
    if (this.dialled) this.#owner.replace(this);
    else this.#advanceDrain("send");
  }

  streamFailed(stream: MuxStream, error: PolarityError): void {
    if (stream.id === CONTROL_STREAM_ID) this.close(error);
    else if (!stream.openedLocally) this.refused(stream.id, error);
  }

  closed(error: PolarityError): void {
    clearTimeout(this.#deadline);
    const wasDraining = this.#state === "draining";
    this.#move("close");
    this.#handshake = "rejected";
    this.#control = undefined;
    const reason =
      wasDraining && error.code === "LINK_LOST"
        ? new PolarityError("LINK_DRAINING", `the link to ${this.#who} was drained`, error)
        : error;
    if (this.#wasJoined) guarded("link", () => this.#context.events.closed(this, reason));
    this.#owner.closed(this, reason, this.#wasJoined);
  }

  // ── ControlEvents ──

  message(message: ControlMessage): void {
    this.#handshake = nextHandshakeState(this.#handshake, message.type);
    switch (message.type) {
      case "hello":
        return this.#hello(message);
      case "welcome":
        return this.#joined(message, this.#acceptorIdentity);
      case "reject":
        return this.close(
          peerError(message.code, "LINK_PROTOCOL", `${this.#who} rejected the link: ${message.message}`),
        );
      case "offer":
        return this.#offeredByPeer(message.announcement, message.onward);
      case "withdraw": {
        const { service, origin } = message;
        if (this.#offered.drop(service, origin)) this.#context.events.withdrawn(this, service, origin);
        return undefined;
      }
      case "cost":
        // What a link costs is for the dialler to say.
        return this.dialled ? undefined : this.#costIs(message.cost);
      case "routers":
        return this.#advised(message.routers);
      case "drain":
        return this.#advanceDrain("received");
      case "opened":
        return openedHere(this.#driver.session, message.stream)?.sink.opened?.();
      case "error":
        return message.stream === undefined
          ? this.#complained(message.code, message.message)
          : refusedByPeer(this.#driver.session, message, this.#who, this.#peerResets);
    }
  }

  answers(stream: number): boolean {
    return takesReason(this.#driver.session, stream);
  }

  broken(error: PolarityError): void {
    if (this.#state === "closed") return;
    this.#control?.error(error, undefined);
    this.close(error);
  }

  // ── inside ──

  get #who(): string {
    return this.#peer.node === "" ? this.#transport.remoteAddress : `node "${this.#peer.node}"`;
  }

  #useControlStream(stream: MuxStream): void {
    const control = new ControlChannel(stream, this.#context.limits, this.#context.clock, this);
    stream.sink = control;
    this.#control = control;
  }

  #hello(hello: Hello): void {
    const side = this.#side;
    if (side.kind !== "acceptor") return;
    let identity: string;
    try {
      checkProtocolVersion(hello.protocol);
      identity = side.authenticate(hello, this.#transport);
    } catch (error) {
      if (!(error instanceof PolarityError)) throw error;
      this.#handshake = nextHandshakeState(this.#handshake, "refuse");
      this.#control?.send(formatReject(error));
      this.close(error);
      return;
    }
    this.#handshake = nextHandshakeState(this.#handshake, "accept");
    this.#control?.introduce(formatWelcome(introductionOf(this.#context, this.features), side.routers ?? []));
    this.#cost = hello.cost;
    this.#joined(hello, identity);
  }

  get #acceptorIdentity(): string {
    return acceptorIdentity(this.#side, this.#transport.certificateIdentity);
  }

  #joined(from: Hello | Welcome, identity: string): void {
    clearTimeout(this.#deadline);
    const { node, instance, features } = from;
    this.#driver.session.peerTakesFinWithData = features.includes(FIN_WITH_DATA);
    this.#limit(from.limits);
    this.confirms = features.includes(CONFIRM_FEATURE);
    this.#peer = { node, instance, identity, address: this.#transport.remoteAddress, features };
    if (from.type === "welcome") {
      this.#advised(from.routers);
      tellOfferChanges(this.#control, this.#introduced, this.#context.offers());
    }
    this.#wasJoined = true;
    this.#state = "up";
    this.#context.events.joined(this);
    // Whoever hears of the link may close it at once.
    if (this.#handshake !== "joined") return;
    this.#owner.joined(this);
    for (const announcement of from.offers) this.#offeredByPeer(announcement, undefined);
  }

  #limit(told: ToldLimits): void {
    const { session } = this.#driver;
    session.room.limit(told.streams);
    if (!told.untold) session.paceResets(told.resets);
    this.#peerResets = !told.untold;
    this.#control?.limit(told);
  }

  #advised(routers: readonly string[]): void {
    if (this.#side.kind === "dialler") this.#side.advised?.(routers);
  }

  #costIs(cost: number): void {
    this.#cost = cost;
    this.#context.events.costChanged(this);
  }

  #offeredByPeer(announcement: Announcement, onward: OnwardPath | undefined): void {
    if (this.#handshake !== "joined") return;
    const refusal = this.#offered.take(announcement, onward);
    this.#driver.session.room.alone = this.#offered.size === 1;
    if (refusal !== undefined) this.notify(refusal);
    else this.#context.events.offered(this, announcement, onward);
  }

  #advanceDrain(event: DrainEvent): void {
    const next = nextDrainState(this.#drain, event);
    if (next === undefined || this.#state === "closed") return;
    this.#drain = next;
    clearTimeout(this.#deadline);
    if (next === "asked" || next === "answered") this.#control?.send(formatControlMessage("drain", {}));
    // An acceptor that runs out of ids asks long before, and opens streams until the answer is there.
    if (next === "answered" || next === "agreed") this.#move("drain");
    if (next === "agreed") {
      this.#driver.closeAtStreams(1);
      return;
    }
    this.#deadline = setTimeout(
      () => guarded("timer", () => this.#advanceDrain("late")),
      this.#context.limits.drainAnswerMs,
    );
    if (next === "to-answer") this.#owner.replace(this);
  }

  #complained(code: string, message: string): void {
    const key = `complaint ${this.node} ${code} ${message}`;
    this.#context.quiet.log(key, "warn", { link: this.id, node: this.node, code }, `${this.#who} says: ${message}`);
  }

  #move(event: LinkEvent): void {
    const next = nextLinkState(this.#state, event);
    if (next === undefined) return;
    this.#context.logger.debug({ link: this.id, node: this.#peer.node }, `link ${this.#state} -> ${next}`);
    this.#state = next;
    if (next !== "closed" && this.#wasJoined) this.#context.events.stateChanged(this, next);
  }
}

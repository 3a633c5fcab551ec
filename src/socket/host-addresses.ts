/**
 * The addresses of a host in the order in which RFC 8305 wants them tried: the families take turns, IPv6 first, and nobody
 * waits for a family that the name servers are slow about.
 */
import { messageOf } from "../base/errors.ts";

export type Family = 4 | 6;

/** The addresses of a host, of one family. */
export type AddressLookup = (host: string, family: Family) => Promise<readonly string[]>;

/** How long the IPv4 addresses wait for the IPv6 ones. */
export const RESOLUTION_DELAY_MS = 50;

/** How long the addresses of one family are waited for where those of the other are there, and all are wanted. */
export const SECOND_FAMILY_DELAY_MS = 250;

/**
 * All addresses of a host, whoever was asked for one of the families and failed, or says nothing (RFC 4074): IPv6 first. Of a
 * family that is waited for too long it is what `known` says that it was. Throws why there is none.
 */
export async function allAddresses(
  host: string,
  lookUp: AddressLookup,
  known: (host: string, family: Family) => readonly string[],
): Promise<readonly string[]> {
  const six = new Answer(lookUp(host, 6));
  const four = new Answer(lookUp(host, 4));
  await Promise.race([six.settled, four.settled]);
  const [first, second] = six.pending ? [four, six] : [six, four];
  await (first.untried.length > 0 ? within(SECOND_FAMILY_DELAY_MS, second.settled) : second.settled);
  const found = [...(six.pending ? known(host, 6) : six.untried), ...(four.pending ? known(host, 4) : four.untried)];
  if (found.length === 0) throw whyNone(six.error, four.error) ?? new Error(`${host} has no address`);
  return found;
}

/** Throws why there is no address. The families are asked for at once, and what is not there yet is not waited for in vain. */
export async function* addressesInOrder(host: string, lookUp: AddressLookup): AsyncGenerator<string> {
  const six = new Answer(lookUp(host, 6));
  const four = new Answer(lookUp(host, 4));
  await Promise.race([six.settled, four.settled]);
  if (six.pending && four.untried.length > 0) await within(RESOLUTION_DELAY_MS, six.settled);
  let found = false;
  let [turn, other] = [six, four];
  while (turn.pending || other.pending || turn.untried.length + other.untried.length > 0) {
    if (turn.untried.length + other.untried.length === 0) {
      await Promise.race([turn, other].filter(({ pending }) => pending).map(({ settled }) => settled));
      continue;
    }
    const family = turn.untried.length > 0 ? turn : other;
    const address = family.untried.shift()!;
    [turn, other] = family === six ? [four, six] : [six, four];
    found = true;
    yield address;
  }
  if (!found) throw whyNone(six.error, four.error) ?? new Error(`${host} has no address`);
}

/** Both reasons where they differ: that there are none of one family does not say what is wrong with the other. */
function whyNone(six: unknown, four: unknown): unknown {
  if (six === undefined || four === undefined || messageOf(six) === messageOf(four)) return six ?? four;
  return new Error(`${messageOf(six)}, ${messageOf(four)}`, { cause: four });
}

/** What has come of one question. */
class Answer {
  pending = true;
  untried: string[] = [];
  error: unknown;
  /** Never rejects. */
  readonly settled: Promise<void>;

  constructor(asked: Promise<readonly string[]>) {
    this.settled = asked.then(
      (addresses) => {
        this.pending = false;
        this.untried = [...addresses];
      },
      (error: unknown) => {
        this.pending = false;
        this.error = error;
      },
    );
  }
}

async function within(ms: number, settled: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, ms);
  await Promise.race([settled, late.promise]);
  clearTimeout(timer);
}

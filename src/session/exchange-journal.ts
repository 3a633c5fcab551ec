/** What became of one exchange, for whoever keeps a record of it. */
import type { PolarityError } from "../base/errors.ts";

export class ExchangeJournal {
  /** Offers that it was sent to. */
  attempts = 0;
  /** The node that it was sent to last, or that answered. */
  node = "";
  /** On the context's clock; -1: not yet. */
  sentAt = -1;
  heardAt = -1;
  /** Of the bodies, or both directions of a tunnel. */
  bytesIn = 0;
  bytesOut = 0;
  error: PolarityError | undefined;
}

/** How a request's answer is said to its client, in the client's own version of HTTP. */
import type { PolarityError } from "../base/errors.ts";
import type { RequestHead } from "../http/request-head.ts";
import type { ResponseHead } from "../http/response-head.ts";

/**
 * Heads and bodies come as the link brings them: HTTP/1.1, the body with its chunks and trailers. What returns a boolean
 * returns false when the client takes no more for now; `responseDrained` of the exchange is then owed.
 */
export interface ClientWriter {
  /** The id by which the client may ask about this request; empty for none. Said with whatever answer it gets. */
  requestId: string;
  /** A 1xx other than 101. */
  interim(request: RequestHead, head: ResponseHead): boolean;
  /** The final head and the first bytes of its body. `unasked`: the client still waits to be told to send its body. */
  response(request: RequestHead, head: ResponseHead, body: Buffer, unasked: boolean): boolean;
  responseBody(chunk: Buffer): boolean;
  /** The app's direction of a tunnel has ended. */
  endTunnel(): void;
  /**
   * Our own answer instead of the app's. `request`: undefined where its head could not be read. `broken`: what follows
   * the request on its connection cannot be understood. `method`: HEAD, where such a head began so.
   */
  refuse(request: RequestHead | undefined, error: PolarityError, broken: boolean, method: string): void;
}

import { type ErrorCode, isErrorCode, PolarityError } from "../base/errors.ts";

/** An error that the peer reported: its code where we know it, its words as they are. */
export function peerError(code: string, otherwise: ErrorCode, message: string): PolarityError {
  return isErrorCode(code) ? new PolarityError(code, message) : new PolarityError(otherwise, `${message} (${code})`);
}

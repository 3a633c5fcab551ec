/** Why a message is refused: the code that decides its status, and the reason that a person reads. */
import { PolarityError } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";

/** A value, not an exception: refusing a hostile head costs no stack trace. */
export class HttpProblem {
  readonly code: ErrorCode;
  readonly reason: string;

  constructor(code: ErrorCode, reason: string) {
    this.code = code;
    this.reason = reason;
  }

  toError(): PolarityError {
    return new PolarityError(this.code, this.reason);
  }
}

/** A byte of a message as a person can read it, whatever it is. */
export function describeByte(byte: number): string {
  if (byte > 0x20 && byte < 0x7f) return `"${String.fromCharCode(byte)}"`;
  if (Number.isNaN(byte)) return "the end of the head";
  return `byte 0x${byte.toString(16).padStart(2, "0")}`;
}

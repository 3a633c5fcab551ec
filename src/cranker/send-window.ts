/** Flow control of one direction of one request: what was sent and is not acknowledged. Payload counts, frames do not. */

/** Above this, sending pauses. */
export const PAUSE_BYTES = 64 * 1024;
/** Below this, it goes on. */
export const RESUME_BYTES = 16 * 1024;

export class SendWindow {
  #unacknowledged = 0;
  #paused = false;

  get paused(): boolean {
    return this.#paused;
  }

  sent(bytes: number): void {
    this.#unacknowledged += bytes;
    if (this.#unacknowledged > PAUSE_BYTES) this.#paused = true;
  }

  /** True when this lets sending go on. What the peer acknowledges beyond what it was sent does not count. */
  acknowledged(bytes: number): boolean {
    if (bytes <= 0) return false;
    this.#unacknowledged = Math.max(0, this.#unacknowledged - bytes);
    if (!this.#paused || this.#unacknowledged >= RESUME_BYTES) return false;
    this.#paused = false;
    return true;
  }
}

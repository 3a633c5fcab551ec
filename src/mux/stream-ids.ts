/** The ids of the streams that one side opens: every second one, upwards, never again (yamux: odd for the client). */

const STREAM_ID_MAX = 0xffff_ffff;
/** When so many are left, a replacement of the session should be on its way. */
const LEFT_WARNING = 1_000_000;

export class StreamIds {
  #next: number;
  #warned = false;

  constructor(first: number) {
    this.#next = first;
  }

  /** True once, when few ids are left. */
  takeWarning(): boolean {
    if (this.#warned || this.#next <= STREAM_ID_MAX - LEFT_WARNING * 2) return false;
    this.#warned = true;
    return true;
  }

  /** Undefined: there are none left. */
  take(): number | undefined {
    if (this.#next > STREAM_ID_MAX) return undefined;
    const id = this.#next;
    this.#next += 2;
    return id;
  }

  /** True for an id of this side that was handed out. */
  wasTaken(id: number): boolean {
    return id < this.#next;
  }
}

/**
 * When a link flushes: at the end of the turn of the event loop, or right behind the callback that wrote.
 *
 * Gathering a turn's writes saves system calls where a turn holds many. Where it holds a single request, nothing is gained and
 * the way through the end of the turn is a tenth of the latency. So links whose turns hold little flush at once, and every
 * so often a turn is gathered to see whether that is still so.
 */
export class FlushPace {
  /** Asked for a flush in the turn under way. */
  #wishes = 0;
  /** Gathered turns in a row that held little. */
  #quietTurns = 0;
  /** Until the next turn that is gathered, while the link is quiet. */
  #untilSample = SAMPLE_EVERY;

  wished(): void {
    this.#wishes++;
  }

  /** Whether to flush behind this callback: asked once for each flush. */
  soon(): boolean {
    if (this.#quietTurns < QUIET_TURNS) return false;
    if (--this.#untilSample === 0) {
      this.#wishes = 1;
      return false;
    }
    return true;
  }

  /** A gathered turn is over. */
  turnEnded(): void {
    this.#quietTurns = this.#wishes <= QUIET_WISHES_MAX ? this.#quietTurns + 1 : 0;
    this.#untilSample = SAMPLE_EVERY;
    this.#wishes = 0;
  }
}

/** What one small request or answer asks for at most. */
const QUIET_WISHES_MAX = 2;
/** So many turns make a link quiet. */
const QUIET_TURNS = 64;
const SAMPLE_EVERY = 16;

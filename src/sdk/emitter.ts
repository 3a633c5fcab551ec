/** Typed events: a map of names to what each carries. */

/** Takes what the event carries. */
export type Listener<Payload> = (payload: Payload) => void;

/**
 * Calls listeners in the order in which they came, each once per event. What a listener throws ends as an uncaught
 * exception of the program, and not in the middle of the node's work. No event is special: without listeners, `error` is
 * heard by nobody.
 */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** Calls `listener` at each event of that name. Returns what ends that. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    let listeners = this.#listeners.get(name);
    if (listeners === undefined) {
      listeners = new Set();
      this.#listeners.set(name, listeners);
    }
    // A function of its own each time, so that a listener that is added twice is called and removed twice.
    const added: Listener<Events[Name]> = (payload) => listener(payload);
    listeners.add(added);
    return () => void listeners.delete(added);
  }

  /** Resolves with the next event of that name; rejects with the signal's reason when that aborts first. */
  once<Name extends keyof Events>(
    name: Name,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<Events[Name]> {
    const { promise, resolve, reject } = Promise.withResolvers<Events[Name]>();
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return promise;
    }
    const aborted = (): void => {
      off();
      reject(signal?.reason as Error);
    };
    const off = this.on(name, (payload) => {
      off();
      signal?.removeEventListener("abort", aborted);
      resolve(payload);
    });
    signal?.addEventListener("abort", aborted, { once: true });
    return promise;
  }

  /** For whoever owns the emitter. */
  emit<Name extends keyof Events>(name: Name, payload: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])] as Listener<Events[Name]>[]) {
      try {
        listener(payload);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

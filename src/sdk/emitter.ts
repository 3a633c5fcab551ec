/** `node:events` emitters whose events, and what each carries, TypeScript knows. */
import { EventEmitter } from "node:events";

/** Names of events, each with the list of what its listeners are called with. */
export type EventMap<Events> = Record<keyof Events, unknown[]>;

type Typed =
  | "on"
  | "once"
  | "off"
  | "addListener"
  | "removeListener"
  | "prependListener"
  | "prependOnceListener"
  | "emit";

/** A `node:events` EventEmitter that has just these events. `once`, `on` and the rest of `node:events` take it. */
export interface TypedEmitter<Events extends EventMap<Events>> extends Omit<EventEmitter, Typed> {
  on<Name extends keyof Events>(name: Name, listener: (...values: Events[Name]) => void): this;
  once<Name extends keyof Events>(name: Name, listener: (...values: Events[Name]) => void): this;
  off<Name extends keyof Events>(name: Name, listener: (...values: Events[Name]) => void): this;
  addListener<Name extends keyof Events>(name: Name, listener: (...values: Events[Name]) => void): this;
  removeListener<Name extends keyof Events>(name: Name, listener: (...values: Events[Name]) => void): this;
  prependListener<Name extends keyof Events>(name: Name, listener: (...values: Events[Name]) => void): this;
  prependOnceListener<Name extends keyof Events>(name: Name, listener: (...values: Events[Name]) => void): this;
  emit<Name extends keyof Events>(name: Name, ...values: Events[Name]): boolean;
}

/**
 * For whoever owns the events. What a listener throws ends as an uncaught exception of the program, and not in the middle of
 * the node's work; the other listeners hear all the same. An `error` that nobody listens for ends nothing.
 */
export class OwnedEmitter<Events extends EventMap<Events>> extends EventEmitter {
  /** True if somebody listens. */
  protected tell<Name extends keyof Events & string>(name: Name, ...values: Events[Name]): boolean {
    const listeners = this.rawListeners(name);
    for (const listener of listeners) {
      try {
        Reflect.apply(listener, this, values);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return listeners.length > 0;
  }
}

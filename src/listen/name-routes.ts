/**
 * Which service a TLS connection goes to, by the name that its client asks for: the most exact host wins (exact, then the
 * longest wildcard, then any), as for HTTP requests.
 *
 * find: a look-up for each label of the name.
 */
export interface NameRoute {
  /** Exact, or `*.` and a domain; undefined for any name, and for none. */
  readonly host: string | undefined;
  readonly service: string;
}

export class NameRoutes {
  readonly #hosts = new Map<string, string>();
  readonly #fallback: string | undefined;

  /** `fallback`: for what no route takes; undefined: nothing does. */
  constructor(routes: readonly NameRoute[], fallback: string | undefined) {
    let any: string | undefined;
    for (const { host, service } of routes) {
      if (host === undefined) any ??= service;
      else if (!this.#hosts.has(host.toLowerCase())) this.#hosts.set(host.toLowerCase(), service);
    }
    this.#fallback = any ?? fallback;
  }

  /** `name` in lower case; empty for none. */
  find(name: string): string | undefined {
    const exact = this.#hosts.get(name);
    if (exact !== undefined) return exact;
    for (let dot = name.indexOf("."); dot > 0; dot = name.indexOf(".", dot + 1)) {
      const wild = this.#hosts.get(`*${name.slice(dot)}`);
      if (wild !== undefined) return wild;
    }
    return this.#fallback;
  }
}

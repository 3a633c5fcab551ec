/** Addresses and networks of proxies in front, whose word about their clients is believed. */
import { BlockList, isIPv6 } from "node:net";

export class TrustedNetworks {
  readonly isEmpty: boolean;
  readonly #list = new BlockList();

  /** Addresses, and networks such as `10.0.0.0/8`. */
  constructor(networks: readonly string[]) {
    this.isEmpty = networks.length === 0;
    for (const network of networks) {
      const [address = "", prefix] = network.split("/", 2);
      const family = isIPv6(address) ? "ipv6" : "ipv4";
      if (prefix === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(prefix), family);
    }
  }

  /** `host`: an IP address; empty for a client without one. */
  has(host: string): boolean {
    return !this.isEmpty && host !== "" && this.#list.check(host, isIPv6(host) ? "ipv6" : "ipv4");
  }
}

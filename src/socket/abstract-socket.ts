/** Unix sockets that have a name instead of a file; only Linux has them. */
import { isAbstract, type Place } from "../base/address.ts";
import { PolarityError } from "../base/errors.ts";

/** Makes `parse` throw ADDRESS_INVALID for what this system cannot listen on or connect to. */
export function ofThisSystem<Address extends { readonly place: Place; readonly url: string }>(
  parse: (text: string) => Address,
  platform: NodeJS.Platform = process.platform,
): (text: string) => Address {
  return (text) => {
    const address = parse(text);
    if (platform === "linux" || !isAbstract(address.place)) return address;
    const message = `${address.url} is an abstract unix socket, which only Linux has, and this is ${platform}`;
    throw new PolarityError("ADDRESS_INVALID", `${message}: use a path, as in unix:///run/app.sock`);
  };
}

import type { Announcement } from "../registry/announcement.ts";
import type { ControlChannel } from "./control-channel.ts";

/** Tells the peer what has changed of a node's offers since it was told `before`. Unchanged ones are the same objects. */
export function tellOfferChanges(
  control: ControlChannel | undefined,
  before: readonly Announcement[],
  now: readonly Announcement[],
): void {
  const told = new Set(before);
  const offered = new Set(now.map(({ service }) => service));
  for (const { service } of before) if (!offered.has(service)) control?.withdraw(service, undefined);
  for (const announcement of now) if (!told.has(announcement)) control?.offer(announcement, undefined);
}

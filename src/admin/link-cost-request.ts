/** The body of `POST /api/v1/links/cost`: `{ "link": "tcp://edge:8000", "cost": 10 }`. */
import { PolarityError } from "../base/errors.ts";
import { COST_MAX } from "../link/link-limits.ts";

export interface LinkCostRequest {
  /** A router's URL or name, or a link's id. */
  readonly link: string;
  readonly cost: number;
}

/** Throws `BAD_REQUEST`. */
export function readLinkCost(body: unknown): LinkCostRequest {
  const { link, cost } = (typeof body === "object" && body !== null ? body : {}) as Partial<Record<string, unknown>>;
  if (typeof link !== "string" || link === "")
    throw new PolarityError("BAD_REQUEST", "link: expected a router or a link");
  if (!Number.isInteger(cost) || Number(cost) < 0 || Number(cost) > COST_MAX) {
    throw new PolarityError("BAD_REQUEST", `cost: expected a whole number from 0 to ${COST_MAX}`);
  }
  return { link, cost: Number(cost) };
}

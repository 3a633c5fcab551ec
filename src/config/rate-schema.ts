/** How often something may happen, in the configuration: so many in a time, with so many at once. */
import { z } from "zod";
import { duration, integer, section } from "./fields.ts";

const BURST_EXPECTED = "expected a whole number from 1 to 1000000";

export function rateSection(help: string) {
  return section({
    requests: integer(1, 1_000_000, 100, "How many may pass in the time of `per`."),
    per: duration({ min: "1ms", max: "24h", byDefault: "1s", help: "The time in which they may." }),
    burst: z
      .int({ error: BURST_EXPECTED })
      .min(1, { error: BURST_EXPECTED })
      .max(1_000_000, { error: BURST_EXPECTED })
      .optional()
      .describe("How many may pass at once after a pause. By default as many as `requests`."),
  })
    .transform(({ requests, per, burst }) => ({ requests, perMs: per, burst: burst ?? requests }))
    .describe(help);
}

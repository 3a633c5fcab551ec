/** The `resolver` section: who says where names lead. */
import { isIP } from "node:net";
import { duration, list, parsed, section } from "./fields.ts";

export function resolverSection() {
  return section({
    servers: list(
      parsed(
        "a name server such as 10.0.0.2, 10.0.0.2:53 or [fd00::2]:53",
        checkServer,
        "A name server, by its IP address, with its port where that is not 53.",
      ),
      "The name servers to ask, and nobody else, for the hosts, SRV and NAPTR records of targets and routers. Left out: the system, with its files, for hosts, and the system's name servers for records.",
    ),
    refresh: duration({
      min: "100ms",
      max: "24h",
      byDefault: "30s",
      help: "How long an answer is believed that does not say so itself, as those about SRV and NAPTR records; and how often connections that are kept to an app's name are held against what it leads to.",
    }),
    timeout: duration({
      min: "100ms",
      max: "60s",
      byDefault: "2s",
      help: "How long a name server may take to answer. It is asked twice.",
    }),
  })
    .transform(({ servers, refresh, timeout }) => ({ servers, refreshMs: refresh, timeoutMs: timeout }))
    .prefault({})
    .describe("How names are looked up.");
}

/** In the form that Node takes. */
function checkServer(text: string): string {
  if (isIP(text) !== 0) return text;
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const fits = isIP(bracketed ?? "") === 6 || isIP(plain ?? "") === 4;
  const port = Number(digits);
  if (fits && port >= 1 && port <= 65_535) return text;
  throw new Error(`expected a name server by its address, such as 10.0.0.2, 10.0.0.2:53 or [fd00::2]:53, not ${text}`);
}

/**
 * In which order the servers that DNS names for a service are tried: SRV records (RFC 2782), and NAPTR records as S-NAPTR
 * uses them (RFC 3958). Pure: chance is handed in.
 */
export interface SrvRecord {
  readonly priority: number;
  readonly weight: number;
  readonly name: string;
  readonly port: number;
}

/**
 * The lowest priority first. Among equals at random by weight: whoever is drawn comes next, and the rest are drawn again. A
 * record without weight is seldom drawn before one that has weight. O(n²) for each priority. `random`: from 0 up to 1.
 */
export function orderSrvRecords(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  const ordered: SrvRecord[] = [];
  const byPriority = Map.groupBy(records, ({ priority }) => priority);
  for (const priority of [...byPriority.keys()].toSorted((left, right) => left - right)) {
    // Those without weight come first: they are drawn only by the one number that is 0.
    const rest = byPriority.get(priority)!.toSorted((left, right) => left.weight - right.weight);
    while (rest.length > 0) ordered.push(...rest.splice(drawn(rest, random), 1));
  }
  return ordered;
}

function drawn(records: readonly SrvRecord[], random: () => number): number {
  const sum = records.reduce((total, { weight }) => total + weight, 0);
  // Any whole number from 0 to the sum.
  const number = Math.floor(random() * (sum + 1));
  let running = 0;
  const at = records.findIndex(({ weight }) => (running += weight) >= number);
  return at < 0 ? records.length - 1 : at;
}

/** A single record whose target is the root says that the service is decidedly not there. */
export function isNotOffered(records: readonly SrvRecord[]): boolean {
  return records.length === 1 && isRoot(records[0]!.name);
}

export interface NaptrRecord {
  readonly order: number;
  readonly preference: number;
  readonly flags: string;
  readonly service: string;
  readonly regexp: string;
  readonly replacement: string;
}

/** Where a NAPTR record leads: to SRV records, to a host, or to further NAPTR records. */
export interface NaptrStep {
  readonly kind: "srv" | "host" | "naptr";
  readonly name: string;
}

/**
 * The steps that are for `service`, in order. `service` is what stands in the record, or its part before the first colon,
 * which is what S-NAPTR calls the application service; empty takes all. Records that rewrite by a regular expression, or whose
 * flag is neither of S-NAPTR's, are for others.
 */
export function naptrSteps(records: readonly NaptrRecord[], service: string): NaptrStep[] {
  return records
    .filter((record) => record.regexp === "" && !isRoot(record.replacement) && serves(record, service))
    .toSorted((left, right) => left.order - right.order || left.preference - right.preference)
    .flatMap(({ flags, replacement }) => {
      const kind = STEPS.get(flags.toLowerCase());
      return kind === undefined ? [] : [{ kind, name: replacement }];
    });
}

const STEPS: ReadonlyMap<string, NaptrStep["kind"]> = new Map([
  ["s", "srv"],
  ["a", "host"],
  ["", "naptr"],
] as const);

function serves({ service }: NaptrRecord, wanted: string): boolean {
  const offered = service.toLowerCase();
  const asked = wanted.toLowerCase();
  return asked === "" || offered === asked || offered.split(":")[0] === asked;
}

function isRoot(name: string): boolean {
  return name === "" || name === ".";
}

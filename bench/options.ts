/** The benchmark's command line. */
import { parseArgs } from "node:util";
import { CONTENDER_NAMES, type ContenderName } from "./contenders/contender.ts";

export interface BenchOptions {
  readonly rows: readonly string[];
  readonly contenders: readonly ContenderName[];
  /** Seconds of load per figure. */
  readonly seconds: number;
  readonly rounds: number;
  /** Fewer and smaller everything: proves the harness, not the product. */
  readonly quick: boolean;
  readonly haproxyThreads: number;
  readonly resultsFolder: string;
}

export const USAGE = `usage: npm run bench -- [options]

  --only ROW,ROW          run these rows only (--list names them)
  --contenders NAME,NAME  ${CONTENDER_NAMES.join(", ")}
  --seconds N             seconds of load per figure (default 5; quick 2)
  --rounds N              rounds over all contenders (default 3; quick 1)
  --quick                 a short run with smaller numbers
  --haproxy-threads N     threads of each HAProxy process (default 1)
  --results FOLDER        where the JSON file goes (default bench/results)
  --list                  names the rows
  --help
`;

export type Invocation =
  | { readonly kind: "run"; readonly options: BenchOptions }
  | { readonly kind: "list" }
  | { readonly kind: "help" };

export function parseInvocation(argv: readonly string[], rowNames: readonly string[]): Invocation {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: "string" },
      contenders: { type: "string" },
      seconds: { type: "string" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      "haproxy-threads": { type: "string" },
      results: { type: "string" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return { kind: "help" };
  if (values.list) return { kind: "list" };
  return {
    kind: "run",
    options: {
      rows: namesOf("--only", values.only, rowNames),
      contenders: namesOf("--contenders", values.contenders, CONTENDER_NAMES),
      seconds: positive("--seconds", values.seconds, values.quick ? 2 : 5),
      rounds: positive("--rounds", values.rounds, values.quick ? 1 : 3),
      quick: values.quick,
      haproxyThreads: positive("--haproxy-threads", values["haproxy-threads"], 1),
      resultsFolder: values.results ?? new URL("results", import.meta.url).pathname,
    },
  };
}

function namesOf<Name extends string>(flag: string, text: string | undefined, known: readonly Name[]): readonly Name[] {
  if (text === undefined) return known;
  return text.split(",").map((given) => {
    const name = known.find((candidate) => candidate === given.trim());
    if (name === undefined) throw new Error(`${flag}: "${given}" is none of ${known.join(", ")}`);
    return name;
  });
}

function positive(flag: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${flag}: expected a number above 0, not "${text}"`);
  return value;
}

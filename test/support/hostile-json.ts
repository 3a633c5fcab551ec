/**
 * JSON that a hostile peer may say in place of any value: deep, wide, huge, half a character, or a name that objects have.
 *
 * As text, because much of it can be neither made nor printed as a value. Each fits into one control line.
 */

const BYTES = 60_000;

function nested(open: string, close: string, depth: number, inner = "1"): string {
  return open.repeat(depth) + inner + close.repeat(depth);
}

/** By name. */
export const HOSTILE_VALUES: ReadonlyMap<string, string> = new Map([
  ["objects that overflow a printer's stack", nested('{"1":', "}", 10_000)],
  ["lists that overflow a parser's stack", nested("[", "]", BYTES / 2)],
  ["objects and lists in turns", nested('[{"a":', "}]", 7_000)],
  ["deep lists that never close", "[".repeat(BYTES)],
  ["deep objects behind a text that looks deep", `["${"[".repeat(1_000)}\\"",${nested('{"":', "}", 8_000, '"\\\\"')}]`],
  ["31 levels", nested("[", "]", 30)],
  ["33 levels", nested('{"a":', "}", 33)],
  ["a list of 30,000", `[${Array.from({ length: BYTES / 2 }, () => "1").join(",")}]`],
  ["an object of 5,000 names", `{${Array.from({ length: 5_000 }, (_, at) => `"k${at}":1`).join(",")}}`],
  ["one name 8,000 times", `{${Array.from({ length: 8_000 }, () => '"a":1').join(",")}}`],
  ["a text of 60,000 characters", `"${"x".repeat(BYTES)}"`],
  ["a text of 60,000 escapes", `"${"\\u0000".repeat(BYTES / 6)}"`],
  ["infinity", "1e999"],
  ["minus infinity", "-1e999"],
  ["a number of 50,000 digits", "9".repeat(50_000)],
  ["nearly nothing", "1e-999"],
  ["more than a safe integer", "9007199254740993"],
  ["half", "0.5"],
  ["minus zero", "-0"],
  ["a prototype", '{"__proto__":{"node":"x","toString":1,"length":9}}'],
  ["a prototype of null", '{"__proto__":null}'],
  ["names that all objects have", '{"constructor":1,"toString":null,"valueOf":2,"hasOwnProperty":3,"toJSON":4}'],
  ["a list that says to be a thenable", '[{"then":1,"length":-1}]'],
  ["the name of a prototype", '"__proto__"'],
  ["the name of a constructor", '"constructor"'],
  ["half a character at the end", '"name\\ud800"'],
  ["half a character at the start", '"\\udc00name"'],
  ["halves the wrong way round", '"\\udfff\\ud800"'],
  ["a name that is half a character", '{"\\ud800":"\\udc00"}'],
  ["half a character where it is cut", `"${"a".repeat(79)}\\ud83d\\ude00${"b".repeat(100)}"`],
  ["control characters", '"a\\u0000b\\u001b[31mc\\r\\nd\\u2028"'],
  ["an empty text", '""'],
  ["an empty list", "[]"],
  ["an empty object", "{}"],
  ["null", "null"],
  ["true", "true"],
]);

const OFFER_FIELDS = {
  service: '"web"',
  protocol: '"tcp"',
  weight: "1",
  labels: '{"a":"b"}',
  health: '"up"',
  mode: '"fan-out"',
  slowest: '"drop"',
  buffer: "4096",
  join: "true",
};

const PATH = '[{"node":"n","instance":"i"}]';

type Fields = Readonly<Record<string, string>>;

/** Every control message that the protocol knows, field by field, as a peer in order would say it. */
export const CONTROL_MESSAGES: Readonly<Record<string, Fields>> = {
  hello: {
    protocol: "1",
    node: '"peer"',
    instance: '"i"',
    token: '"secret"',
    cost: "0",
    offers: `[${object(OFFER_FIELDS)}]`,
    features: '["relay"]',
    limits: '{"streams":100}',
  },
  welcome: {
    node: '"peer"',
    instance: '"i"',
    offers: `[${object(OFFER_FIELDS)}]`,
    features: '["relay"]',
    limits: '{"streams":100}',
    routers: '["tcp://127.0.0.1:1"]',
  },
  reject: { code: '"AUTH_FAILED"', message: '"no"' },
  offer: { ...OFFER_FIELDS, path: PATH, cost: "1", byPath: "true" },
  withdraw: { service: '"web"', origin: '"i"' },
  cost: { cost: "1" },
  routers: { routers: '["tcp://127.0.0.1:1"]' },
  drain: {},
  error: { code: '"NO_OFFER"', message: '"no"', stream: "2" },
  opened: { stream: "2" },
};

export const PREAMBLE: Fields = {
  service: '"web"',
  protocol: '"tcp"',
  relay: "true",
  node: '"n"',
  wait: "100",
  via: '["i"]',
  confirm: "true",
  client: '"127.0.0.1:5000"',
};

function object(fields: Fields): string {
  const parts = Object.entries(fields).map(([name, value]) => `"${name}":${value}`);
  return `{${parts.join(",")}}`;
}

/** The line of an object in order. */
export function line(fields: Fields): string {
  return `${object(fields)}\n`;
}

/** The control message of a type, in order. */
export function controlLine(type: string): string {
  return line({ type: `"${type}"`, ...CONTROL_MESSAGES[type] });
}

export interface HostileLine {
  readonly what: string;
  readonly text: string;
}

/**
 * Lines in each of which one field is hostile: each that is known, one that is not, a name that objects have, and within
 * those that hold others also one of these. Last the line as a whole.
 */
export function* hostileLines(fields: Fields): Generator<HostileLine> {
  for (const [what, value] of HOSTILE_VALUES) {
    for (const name of [...Object.keys(fields), "unknown", "__proto__", "toJSON"]) {
      yield { what: `${name} is ${what}`, text: line({ ...fields, [name]: value }) };
    }
    for (const [name, inner] of Object.entries(INNER)) {
      if (name in fields) yield { what: `in ${name} is ${what}`, text: line({ ...fields, [name]: inner(value) }) };
    }
    yield { what: `the line is ${what}`, text: `${value}\n` };
  }
}

const INNER: Readonly<Record<string, (value: string) => string>> = {
  offers: (value) => `[{"service":"web","protocol":"tcp","labels":${value}}]`,
  labels: (value) => `{"a":${value}}`,
  limits: (value) => `{"streams":${value}}`,
  features: (value) => `["relay",${value}]`,
  routers: (value) => `[${value}]`,
  path: (value) => `[{"node":${value},"instance":"i"}]`,
  via: (value) => `[${value}]`,
};

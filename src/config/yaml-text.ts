/**
 * YAML as all our files are written in it, and what is wrong with a text, without a word of what stands in it: files of secrets
 * are read here too.
 *
 * The library warns of what it cannot resolve and goes on with less: `!S3cret tail` would be the text `tail`. Here all of
 * that is an error.
 */
import type { Document, Node, YAMLError } from "yaml";
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from "yaml";
import { PolarityError } from "../base/errors.ts";

/** What is wrong, and where: an offset in the text. */
export interface YamlFault {
  readonly offset: number;
  readonly message: string;
}

/** A text that was read. Where there are faults, its document means nothing. */
export interface YamlText {
  readonly document: Document.Parsed;
  readonly faults: readonly YamlFault[];
  /** `polarity.yaml:5:13`. */
  readonly place: (offset: number) => string;
}

/** `file`: what places call it. Throws CONFIG_INVALID only for a text that cannot be read at all. */
export function readYaml(text: string, file: string): YamlText {
  const lines = new LineCounter();
  const document = parse(text, lines, file);
  return {
    document,
    faults: faultsOf(document, text),
    place(offset: number): string {
      const { line, col } = lines.linePos(Math.min(offset, text.length));
      return `${file}:${line}:${col}`;
    },
  };
}

/** One line for each fault. */
export function yamlInvalid({ place }: YamlText, faults: readonly YamlFault[]): PolarityError {
  const report = faults.map(({ offset, message }) => `${place(offset)}: ${message}`);
  return new PolarityError("CONFIG_INVALID", report.join("\n"));
}

/** The values of the document, as plain objects. Throws CONFIG_INVALID where aliases would make too much of it. */
export function yamlValue({ document, place }: YamlText): unknown {
  try {
    return document.toJS();
  } catch {
    throw new PolarityError(
      "CONFIG_INVALID",
      `${place(0)}: its aliases (*) cannot be resolved, or make too much of it`,
    );
  }
}

function parse(text: string, lineCounter: LineCounter, file: string): Document.Parsed {
  try {
    // Names are names: a key is text, however it looks.
    return parseDocument(text, { lineCounter, prettyErrors: false, logLevel: "error", stringKeys: true, merge: true });
  } catch {
    throw new PolarityError("CONFIG_INVALID", `${file}: it is nested too deeply, or is no YAML`);
  }
}

/** What follows from a broken structure is no fault of its own, so that there is one at most; else all there are. */
function faultsOf(document: Document.Parsed, text: string): YamlFault[] {
  const found = [...document.errors, ...document.warnings].sort((left, right) => left.pos[0] - right.pos[0]);
  const broken = found.find(({ code }) => !INDEPENDENT.has(code));
  if (broken !== undefined) return [variableFault(text, broken.pos[0]) ?? faultOf(broken)];
  return found.length > 0 ? found.map(faultOf) : referenceFaults(document);
}

const INDEPENDENT: ReadonlySet<string> = new Set<YAMLError["code"]>([
  "DUPLICATE_KEY",
  "TAG_RESOLVE_FAILED",
  "BAD_COLLECTION_TYPE",
  "NON_STRING_KEY",
]);

function faultOf({ code, message, pos }: YAMLError): YamlFault {
  const own: Partial<Record<string, string>> = WORDS;
  const words = own[code] ?? (SAFE.has(code) ? `${message.charAt(0).toLowerCase()}${message.slice(1)}` : OTHERWISE);
  return { offset: pos[0], message: words };
}

const OTHERWISE = "this is no YAML: text with special characters goes in quotes";

/** Instead of the library's words, which may repeat the text. */
const WORDS = {
  BAD_DIRECTIVE: "a line that begins with % is a directive of YAML, and this one is not known",
  BAD_DQ_ESCAPE: "a \\ in \"double quotes\" begins an escape, and this one is not known: use 'single quotes'",
  BAD_SCALAR_START: "text cannot begin with this character: put it in quotes",
  MULTIPLE_DOCS: "a second document begins here (---), and one is expected",
  NON_STRING_KEY: "a key is one word or text",
  RESOURCE_EXHAUSTION: "it is nested too deeply",
  TAG_RESOLVE_FAILED: "a tag (!) that is not known: put text that begins with ! in quotes",
  BAD_COLLECTION_TYPE: "a tag (!) that does not fit what is behind it",
} as const satisfies Partial<Record<YAMLError["code"], string>>;

/** Codes for which the library's words are always its own. */
const SAFE: ReadonlySet<string> = new Set<YAMLError["code"]>([
  "ALIAS_PROPS",
  "BAD_ALIAS",
  "BAD_INDENT",
  "BLOCK_AS_IMPLICIT_KEY",
  "BLOCK_IN_FLOW",
  "DUPLICATE_KEY",
  "MISSING_CHAR",
  "MULTILINE_IMPLICIT_KEY",
  "MULTIPLE_ANCHORS",
  "MULTIPLE_TAGS",
  "TAB_AS_INDENT",
]);

/** Within `{ }` and `[ ]` the braces of a variable are YAML's own, unless they are in quotes. */
function variableFault(text: string, offset: number): YamlFault | undefined {
  const lineStart = text.lastIndexOf("\n", offset - 1) + 1;
  const at = text.lastIndexOf("${", offset + 1);
  if (at < lineStart) return undefined;
  return { offset: at, message: 'within { } and [ ] a variable goes in quotes: "${NAME}"' };
}

/** What no error of the library tells: aliases and merge keys that lead nowhere, and text that was taken for an anchor or a tag. */
function referenceFaults(document: Document.Parsed): YamlFault[] {
  const faults: YamlFault[] = [];
  const used = new Set<Node>();
  const anchored: Node[] = [];
  const fault = (node: Node, message: string): void => {
    faults.push({ offset: offsetOf(node), message });
  };
  visit(document, {
    Alias: (_key, node) => {
      const meant = node.resolve(document);
      if (meant === undefined) fault(node, "an alias (*) of no anchor: put text that begins with * in quotes");
      else if (isWithin(node, meant)) fault(node, "an alias (*) of what it stands in");
      else used.add(meant);
    },
    Pair: (_key, { key, value }) => {
      if (!isMergeKey(key) || !isNode(value)) return;
      const sources = isSeq(value) ? value.items : [value];
      const maps = sources.map((source) => (isAlias(source) ? (source.resolve(document) ?? source) : source));
      if (!maps.every((source) => isMap(source) || isAlias(source))) fault(value, MERGES_NOTHING);
    },
    Value: (_key, node) => {
      if (node.anchor !== undefined) anchored.push(node);
      if (node.tag !== undefined && !TAGS.has(node.tag)) fault(node, WORDS.TAG_RESOLVE_FAILED);
    },
  });
  for (const node of anchored) {
    // Groups of keys that wait to be used are no mistake.
    if (used.has(node) || !isScalar(node)) continue;
    fault(node, "an anchor (&) that is not used: put text that begins with & in quotes");
  }
  return faults;
}

const MERGES_NOTHING = "a merge key (<<) takes an alias (*) of a group of keys, or a list of them";

/** Of YAML's core; others would make something else than text and numbers. */
const TAGS: ReadonlySet<string> = new Set(
  ["str", "int", "float", "bool", "null", "map", "seq", "merge"].map((name) => `tag:yaml.org,2002:${name}`),
);

export function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.type === "PLAIN" && key.value === "<<";
}

function isWithin(node: Node, group: Node): boolean {
  const [start, end] = group.range ?? [0, 0];
  return offsetOf(node) >= start && offsetOf(node) < end;
}

function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0;
}

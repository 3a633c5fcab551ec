/** A file of tokens: YAML, of which no message shows a word, because what stands there is secret. */
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, visit } from "yaml";
import type { PolarityError } from "../base/errors.ts";
import { reservedIdentity } from "../base/identity.ts";
import { NAME_LENGTH_MAX, TOKEN_LENGTH_MAX } from "../link/link-limits.ts";
import type { TokenEntry } from "../link/tokens.ts";
import { readYaml, type YamlFault, yamlInvalid } from "./yaml-text.ts";

/**
 * The entries of a tokens file: `name: token` lines, or a list of `{ name, token }` where a name may come twice, so that
 * a token can be replaced while the old one still works. `where` is the file's name for messages, which hold nothing else of it.
 */
export function parseTokens(text: string, where: string): readonly TokenEntry[] {
  const yaml = readYaml(text, where);
  const faults = yaml.faults.length > 0 ? yaml.faults : referenceFaults(yaml.document);
  if (faults.length > 0) throw yamlInvalid(yaml, faults);
  const invalid = (node: unknown, message: string): PolarityError =>
    yamlInvalid(yaml, [{ offset: isNode(node) ? (node.range?.[0] ?? 0) : 0, message }]);
  const { contents } = yaml.document;
  const lines = linesOf(contents);
  if (lines.length === 0) throw invalid(contents, 'expected lines of "name: token", or a list of {name, token}');
  const owners = new Map<string, string>();
  return lines.map(({ name: nameNode, token: tokenNode, around }) => {
    const name = nameOf(nameNode);
    if (name === "" || name.length > NAME_LENGTH_MAX) throw invalid(nameNode ?? around, "expected a name");
    const reserved = reservedIdentity(name);
    if (reserved !== undefined) throw invalid(nameNode, `${reserved}; take another name`);
    const token = isScalar(tokenNode) ? tokenNode.value : undefined;
    if (typeof token !== "string" || token.trim() === "" || token.length > TOKEN_LENGTH_MAX) {
      const expected = `expected a token in quotes, of 1 to ${TOKEN_LENGTH_MAX} characters`;
      throw invalid(tokenNode ?? nameNode, expected);
    }
    // Who shows a token may have read it from a file, without them.
    if (token !== token.trim()) throw invalid(tokenNode, "a token neither begins nor ends with blanks or line ends");
    const owner = owners.get(token);
    if (owner !== undefined && owner !== name) throw invalid(tokenNode, "the token is also that of another name");
    owners.set(token, name);
    return { name, token };
  });
}

interface TokenLine {
  readonly name: unknown;
  readonly token: unknown;
  /** The entry as a whole. */
  readonly around: unknown;
}

function linesOf(contents: unknown): readonly TokenLine[] {
  if (isMap(contents)) return contents.items.map((pair) => ({ name: pair.key, token: pair.value, around: pair.key }));
  if (!isSeq(contents)) return [];
  return contents.items.map((item) => ({
    name: isMap(item) ? item.get("name", true) : undefined,
    token: isMap(item) ? item.get("token", true) : item,
    around: item,
  }));
}

/** A name is a name as it is written, also where YAML would make a number of it. */
function nameOf(node: unknown): string {
  if (!isScalar(node)) return "";
  return typeof node.value === "string" ? node.value : (node.source ?? "");
}

/** Such a file has no use for them, and a secret that begins so would lose its beginning. */
function referenceFaults(document: Document): YamlFault[] {
  const faults: YamlFault[] = [];
  visit(document, {
    Node: (_key, node) => {
      const sign = isAlias(node) ? "*" : node.anchor !== undefined ? "&" : node.tag !== undefined ? "!" : undefined;
      if (sign === undefined) return;
      faults.push({ offset: node.range?.[0] ?? 0, message: `put text that begins with ${sign} in quotes` });
    },
  });
  return faults;
}

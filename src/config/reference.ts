/** The reference of the configuration file in docs/CONFIG.md, written from the schema. */
import { z } from "zod";
import { LoadedText } from "./loaded-text.ts";
import { createConfigSchema } from "./schema.ts";

interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly polarityRange?: string;
  readonly polarityHidden?: boolean;
  readonly polarityText?: boolean;
  readonly polarityFlag?: boolean;
  /** What the column says where the schema's own form would say too much. */
  readonly polarityValue?: string;
  readonly anyOf?: readonly SchemaNode[];
}

/** Markdown: a heading for each section of the file, and a table row for each key. */
export function configReference(): string {
  const schema = createConfigSchema((path) => new LoadedText(path, ""));
  const { properties = {} } = z.toJSONSchema(schema, { io: "input" }) as SchemaNode;
  const sections = Object.entries(properties).filter(([, node]) => node.polarityHidden !== true);
  return sections
    .map(([name, node]) => {
      const rows = rowsOf(node, "").map(
        (cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`,
      );
      const head = "| Key | Value | Default | Meaning |\n|---|---|---|---|";
      return `### \`${name}\`\n\n${node.description ?? ""}\n\n${head}\n${rows.join("\n")}\n`;
    })
    .join("\n");
}

type Row = readonly [key: string, value: string, byDefault: string, meaning: string];

/** The keys below a node; of lists, those of an item; of maps, those of a value. */
function rowsOf(node: SchemaNode, prefix: string): Row[] {
  if (node.items?.properties !== undefined) return rowsOf(node.items, `${prefix}[]`);
  const values = node.additionalProperties;
  const group = node.anyOf?.find((form) => form.properties !== undefined);
  if (group !== undefined) return rowsOf(group, prefix);
  if (typeof values === "object" && values.properties !== undefined) return rowsOf(values, join(prefix, "NAME"));
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const path = join(prefix, key);
    const isNeeded = node.required?.includes(key) === true;
    const row: Row = [`\`${path}\``, valueOf(child), isNeeded ? "needed" : defaultOf(child), child.description ?? ""];
    return [row, ...rowsOf(child, path)];
  });
}

function join(prefix: string, key: string): string {
  return prefix === "" ? key : `${prefix}.${key}`;
}

function valueOf(node: SchemaNode): string {
  if (node.polarityValue !== undefined) return node.polarityValue;
  if (node.anyOf !== undefined) return node.anyOf.map(valueOf).join(", or ");
  if (node.enum !== undefined) return node.enum.map((word) => `\`${String(word)}\``).join(", ");
  if (node.polarityRange !== undefined) return node.polarityRange;
  if (node.minimum !== undefined && node.maximum !== undefined) return `${node.minimum} to ${node.maximum}`;
  if (node.type === "array") return "list";
  if (node.polarityText === true) return "text, or keys below";
  if (node.polarityFlag === true) return "`true`, `false`, or keys below";
  if (node.type === "object") return node.properties === undefined ? "names and values" : "keys below";
  return node.type === "boolean" ? "`true`, `false`" : "text";
}

function defaultOf(node: SchemaNode): string {
  if (node.default === undefined || typeof node.default === "object") return "";
  return `\`${JSON.stringify(node.default)}\``;
}

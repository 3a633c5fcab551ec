/** The commands that documents show, as words, and what a program would say of them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { messageOf } from "../../src/base/errors.ts";
import { withGoFlags } from "../../src/cli/go-flags.ts";
import { createProgram } from "../../src/cli/program.ts";
import { blocksOf, type MarkdownDocument, spansOf } from "./documents.ts";

const root = join(import.meta.dirname, "..", "..");

export interface ShownCommand {
  /** The document and line. */
  readonly at: string;
  readonly words: readonly string[];
  /** It is to be typed as it is; in prose a command may stop anywhere, and have names in capitals. */
  readonly whole: boolean;
}

/** Commands of shell blocks, and code in prose that begins with a program that is ours to know. */
export function commandsOf(document: MarkdownDocument): ShownCommand[] {
  const blocks = blocksOf(document).filter(({ language }) => language === "sh");
  const lines = blocks.flatMap(({ text, line }) =>
    text
      .replaceAll(/\\\n */g, "\\ ")
      .split("\n")
      .map((content, index) => ({ content: content.replaceAll("\\ ", " "), line: line + index, whole: true })),
  );
  const spans = spansOf(document).map(({ text, line }) => ({ content: text, line, whole: false }));
  return [...lines, ...spans].flatMap(({ content, line, whole }) =>
    simpleCommands(content).map((words) => ({ at: `${document.path}:${line}`, words, whole })),
  );
}

/** The commands of a line, each of a pipe by itself, and those within quotes (ssh's ProxyCommand); no comments. */
function simpleCommands(line: string): string[][] {
  const commands: string[][] = [[]];
  for (const [token, double, single, ...rest] of line.matchAll(TOKEN)) {
    if (token.startsWith("#")) break;
    if (/^(?:\||\|\||&&|;|>)$/.test(token)) commands.push([]);
    else commands.at(-1)!.push(token.replaceAll(/["']/g, ""));
    const quoted = double ?? single ?? rest[0];
    if (quoted !== undefined && /(?:^|=)polarity /.test(quoted)) commands.push(...simpleCommands(quoted), []);
  }
  return commands.filter(([program]) => program !== undefined && KNOWN.has(program));
}

const TOKEN = /(?:[^\s"'#|;&>]|(?<=\S)#|(?<!\s)[|;&>](?!\s|$)|"([^"]*)"|'([^']*)')+|#|\|\||&&|[|;>]/g;
const KNOWN = new Set(["polarity", "npm", "node"]);

/** What is wrong with it; empty where nothing is. */
export function commandProblems({ at, words: [program, ...words], whole }: ShownCommand): string[] {
  const problem =
    program === "polarity"
      ? polarityProblem(words, whole)
      : program === "npm"
        ? npmProblem(words)
        : nodeProblem(words, whole);
  return problem === undefined ? [] : [`${at}: ${[program, ...words].join(" ")}: ${problem}`];
}

/** Each flag that some command has, and each variable. */
export function knownFlags(): { readonly flags: Set<string>; readonly variables: ReadonlySet<string> } {
  const options = allCommands(quietProgram()).flatMap((command) => command.createHelp().visibleOptions(command));
  return {
    flags: new Set(options.flatMap(({ long, short }) => [long ?? "", short ?? ""])),
    variables: new Set(options.map(({ envVar, description }) => envVar ?? /env: (\w+)/.exec(description)?.[1] ?? "")),
  };
}

function polarityProblem(given: readonly string[], whole: boolean): string | undefined {
  let command = quietProgram();
  const words = withGoFlags(["node", "polarity", ...given]).slice(2);
  for (let next; (next = command.commands.find((inner) => inner.name() === words[0])) !== undefined; words.shift()) {
    command = next;
  }
  const [first] = words;
  if (command.parent === null) {
    const known =
      first === undefined || first.startsWith("-") || first === "help" || (!whole && /^[A-Z…]+$/.test(first));
    return known ? undefined : `there is no command ${first}`;
  }
  const flags = new Set(
    command
      .createHelp()
      .visibleOptions(command)
      .flatMap(({ long, short }) => [long, short]),
  );
  if (!whole) return words.find((word) => word.startsWith("-") && !flags.has(word.replace(/=.*/, "")));
  if (command.commands.length > 0) return `it is a group: ${command.commands.map((inner) => inner.name()).join(", ")}`;
  const missing = words.find((word) => word.startsWith("examples/") && !existsSync(join(root, word)));
  if (missing !== undefined) return `${missing} is not there`;
  try {
    const { operands, unknown } = command.parseOptions(words);
    if (unknown.length > 0) return `it does not know ${unknown.join(" ")}`;
    return operandsProblem(command, operands);
  } catch (error) {
    return messageOf(error);
  }
}

function operandsProblem({ registeredArguments }: Command, operands: readonly string[]): string | undefined {
  const variadic = registeredArguments.at(-1)?.variadic === true;
  if (operands.length < registeredArguments.filter(({ required }) => required).length) return "an argument is missing";
  if (!variadic && operands.length > registeredArguments.length) return `too many arguments: ${operands.join(" ")}`;
  for (const [index, operand] of operands.entries()) {
    const argument = registeredArguments[index] ?? registeredArguments.at(-1)!;
    argument.parseArg?.(operand, undefined);
  }
  return undefined;
}

function npmProblem([verb, ...rest]: readonly string[]): string | undefined {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: Readonly<Record<string, string>>;
  };
  const script = verb === "run" ? rest.shift() : verb === "test" ? "test" : undefined;
  if (script === undefined) return verb === "ci" || verb === "install" ? undefined : `npm ${verb} is not known here`;
  if (scripts[script] === undefined) return `there is no script ${script}`;
  const options = readFileSync(join(root, "bench/options.ts"), "utf8");
  return rest
    .filter((word) => word !== "--")
    .map((word) =>
      word.startsWith("test/")
        ? existsSync(join(root, word)) || word.includes("some")
          ? undefined
          : `${word} is not there`
        : script === "bench" && word.startsWith("--") && !options.includes(word.slice(2))
          ? `the bench does not know ${word}`
          : undefined,
    )
    .find((problem) => problem !== undefined);
}

/** Files of the repository that it runs are there. */
function nodeProblem(words: readonly string[], whole: boolean): string | undefined {
  const file = words.find((word) => /\.(?:ts|js)$/.test(word));
  if (file === "bin/polarity.js") return polarityProblem(words.slice(words.indexOf(file) + 1), whole);
  if (file === undefined || !file.includes("/") || existsSync(join(root, file))) return undefined;
  return `${file} is not there`;
}

/** A tree of commands that throws where the program would print and end. */
function quietProgram(): Command {
  const program = createProgram(() => {});
  for (const command of allCommands(program)) command.exitOverride().configureOutput({ writeErr: () => {} });
  return program;
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

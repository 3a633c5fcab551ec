/** The reference of the commands in docs/CLI.md, written from the tree of commands. */
import type { Command } from "commander";
import { pathOf, visibleLeaves } from "./command-path.ts";
import { createProgram } from "./program.ts";

/** Markdown: a heading for each command, with its usage and flags. */
export function commandReference(): string {
  const program = createProgram(() => {});
  const commands = visibleLeaves(program).filter((command) => command.name() !== "help");
  return commands.map((command) => sectionOf(command)).join("\n");
}

function sectionOf(command: Command): string {
  const help = command.createHelp();
  const args = command.registeredArguments.map((argument) => {
    const choices = argument.argChoices === undefined ? "" : ` (${argument.argChoices.join(", ")})`;
    return `- \`${argument.name()}\`: ${argument.description}${choices}`;
  });
  const flags = help
    .visibleOptions(command)
    .filter((option) => option.long !== "--help")
    .map((option) => {
      const meaning = option.description.replace(/ \(env: \w+\)$/, "");
      const choices = option.argChoices === undefined ? "" : ` (${option.argChoices.join(", ")})`;
      const byDefault = typeof option.defaultValue === "string" ? ` (${option.defaultValue})` : "";
      const variable = option.envVar ?? /env: (\w+)/.exec(option.description)?.[1] ?? "";
      const fromVariable = variable === "" ? "" : `\`${variable}\``;
      return `| \`${option.flags}\` | ${fromVariable} | ${meaning}${choices}${byDefault} |`;
    });
  const table = flags.length === 0 ? "" : `\n| Flag | Variable | Meaning |\n|---|---|---|\n${flags.join("\n")}\n`;
  const list = args.length === 0 ? "" : `\n${args.join("\n")}\n`;
  return `### \`polarity ${pathOf(command)} ${command.usage()}\`\n\n${sentence(command.description())}\n${list}${table}`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** Completion scripts, made from the tree of commands, so that they know every command and flag that there is. */
import type { Command, Option } from "commander";
import { visibleLeaves } from "./command-path.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;

export type Shell = (typeof SHELLS)[number];

export function completionScript(program: Command, shell: Shell): string {
  const write = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell];
  return write(visibleCommands(program));
}

interface CommandEntry {
  readonly name: string;
  readonly help: string;
  readonly flags: readonly FlagEntry[];
  /** The words that the first argument can be, where they are known; of a group, its commands. */
  readonly words: readonly string[];
  /** Files are offered behind the first word: a group has a command that takes one. */
  readonly files: boolean;
}

interface FlagEntry {
  readonly long: string;
  readonly short: string | undefined;
  readonly help: string;
  readonly value: "none" | "text" | "file";
  readonly words: readonly string[];
}

function visibleCommands(program: Command): CommandEntry[] {
  const help = program.createHelp();
  return help.visibleCommands(program).map((command) => {
    const leaves = visibleLeaves(command);
    const flags = [command, ...leaves].flatMap((shown) => help.visibleOptions(shown).map(flagEntry));
    return {
      name: command.name(),
      help: command.description(),
      flags: flags.filter((flag, index) => flags.findIndex(({ long }) => long === flag.long) === index),
      words: leaves.length > 0 ? leaves.map((leaf) => leaf.name()) : firstWords(command),
      files: leaves.some((leaf) => leaf.registeredArguments[0]?.name() === "file"),
    };
  });
}

function firstWords(command: Command): readonly string[] {
  return command.name() === "help" ? [] : (command.registeredArguments[0]?.argChoices ?? []);
}

function flagEntry(option: Option): FlagEntry {
  const takesFile = option.required && /<path>/.test(option.flags);
  return {
    long: option.long ?? option.flags,
    short: option.short,
    help: option.description,
    value: takesFile ? "file" : option.required ? "text" : "none",
    words: option.argChoices ?? [],
  };
}

function bashScript(commands: readonly CommandEntry[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  const cases = commands.map(({ name, flags, words, files: takesFiles }) => {
    const choices = [...words, ...flags.flatMap(({ long, short }) => (short === undefined ? [long] : [short, long]))];
    const offersFiles = takesFiles ? ` [ "$COMP_CWORD" -gt 2 ] && COMPREPLY=($(compgen -f -- "$current"));` : "";
    return `    ${name})${offersFiles} words="${choices.join(" ")}" ;;`;
  });
  const values = commands
    .flatMap(({ flags }) => flags)
    .filter(({ words }) => words.length > 0)
    .map(
      ({ long, short, words }) =>
        `    ${[...(short === undefined ? [] : [short]), long].join("|")}) COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$current")); return ;;`,
    );
  const files = commands.flatMap(({ flags }) => flags).filter(({ value }) => value === "file");
  const fileFlags = unique(files.flatMap(({ long, short }) => (short === undefined ? [long] : [short, long])));
  return `# bash completion for polarity
_polarity() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  COMPREPLY=()
  case "$previous" in
${unique(values).join("\n")}
    ${fileFlags.join("|")}) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${names} --help --version" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
  esac
  COMPREPLY+=($(compgen -W "$words" -- "$current"))
}
complete -F _polarity polarity
`;
}

function zshScript(commands: readonly CommandEntry[]): string {
  const names = commands.map(({ name, help }) => `    ${quote(`${name}:${help}`)}`);
  const cases = commands.map(({ name, flags, words, files }) => {
    const specs = flags.map(({ long, short, help, value, words: choices }) => {
      const text = help.replaceAll(/[[\]:]/g, (character) => `\\${character}`);
      const action =
        choices.length > 0
          ? `:value:(${choices.join(" ")})`
          : value === "file"
            ? ":file:_files"
            : value === "text"
              ? ":value:"
              : "";
      return [long, ...(short === undefined ? [] : [short])]
        .map((flag) => `        ${quote(`*${flag}[${text}]${action}`)}`)
        .join(" \\\n");
    });
    const first = words.length > 0 ? `        ${quote(`1:value:(${words.join(" ")})`)} \\\n` : "";
    const second = files ? "        '2:file:_files' \\\n" : "";
    return `      ${name})\n      _arguments \\\n${first}${second}${specs.join(" \\\n")}\n      ;;`;
  });
  return `#compdef polarity
_polarity() {
  local -a commands
  commands=(
${names.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="\${words[2]}"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join("\n")}
  esac
}
if [ "$funcstack[1]" = "_polarity" ]; then _polarity "$@"; else compdef _polarity polarity; fi
`;
}

function fishScript(commands: readonly CommandEntry[]): string {
  const lines = ["# fish completion for polarity", "complete -c polarity -f"];
  for (const { name, help, flags, words, files } of commands) {
    lines.push(`complete -c polarity -n __fish_use_subcommand -a ${name} -d ${quote(help)}`);
    const here = `complete -c polarity -n ${quote(`__fish_seen_subcommand_from ${name}`)}`;
    if (words.length > 0) lines.push(`${here} -a ${quote(words.join(" "))}`);
    if (files) lines.push(`complete -c polarity -n ${quote(`__fish_seen_subcommand_from ${words.join(" ")}`)} -F`);
    for (const { long, short, help: text, value, words: choices } of flags) {
      const dashless = `${short === undefined ? "" : ` -s ${short.slice(1)}`} -l ${long.slice(2)}`;
      const takes =
        choices.length > 0
          ? ` -x -a ${quote(choices.join(" "))}`
          : value === "file"
            ? " -r -F"
            : value === "text"
              ? " -x"
              : "";
      lines.push(`${here}${dashless}${takes} -d ${quote(text)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}

function unique(lines: readonly string[]): string[] {
  return [...new Set(lines)];
}

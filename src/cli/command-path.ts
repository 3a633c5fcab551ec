/** Commands and the commands below them, by the words that a user types: `get`, `config import`. */
import type { Command } from "commander";

/** The command itself, and all below it. */
export function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/** The commands that do something and that help shows, below `command`; a group stands for those in it. */
export function visibleLeaves(command: Command): Command[] {
  const shown = command.createHelp().visibleCommands(command);
  return shown
    .filter((inner) => inner.name() !== "help" || command.parent === null)
    .flatMap((inner) => (inner.commands.length > 0 ? visibleLeaves(inner) : [inner]));
}

/** `config import`: the words from below the program down to the command. */
export function pathOf(command: Command): string {
  const above = command.parent;
  return above === null || above.parent === null ? command.name() : `${pathOf(above)} ${command.name()}`;
}

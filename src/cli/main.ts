/** The process: reads the command line, runs the command, says what went wrong in one line, and exits with a code that tells. */
import { CommanderError } from "commander";
import { messageOf, PolarityError } from "../base/errors.ts";
import { printable } from "../base/printable.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";
import { withSubcommands } from "./command-path.ts";
import { withGoFlags } from "./go-flags.ts";
import { holdTether } from "./parent.ts";
import { createProgram } from "./program.ts";
import { usageLine } from "./usage-line.ts";

holdTether();
dropEmptyVariables();
// A reader such as `head` that has seen enough is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) =>
  process.exit(error.code === "EPIPE" ? EXIT.done : EXIT.failed),
);

const program = createProgram((code) => {
  process.exitCode = code;
});
for (const command of withSubcommands(program)) {
  command.exitOverride().configureOutput({ outputError: (text, write) => write(usageLine(text)) });
}
try {
  await program.parseAsync(withGoFlags(process.argv));
} catch (error) {
  process.exitCode = report(error);
}

function report(error: unknown): number {
  // Commander has said it already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  // Peers and apps have their say in some of them.
  const lines = messageOf(error).split("\n").map(printable);
  // A line that names its file and column needs no other name in front.
  const text = lines.map((line) => (/^[^ ]+:\d+:\d+: /.test(line) ? line : `polarity: ${line}`)).join("\n");
  process.stderr.write(`${text}\n`);
  const isBug = !(error instanceof PolarityError) && error instanceof Error;
  if (isBug && process.argv.includes("debug")) process.stderr.write(`${error.stack}\n`);
  return exitCodeOf(error);
}

/** A variable that is set to nothing, as containers often have them, is as if it were not set. */
function dropEmptyVariables(): void {
  for (const [name, value] of Object.entries(process.env)) {
    if (name.startsWith("POLARITY_") && value === "") delete process.env[name];
  }
}

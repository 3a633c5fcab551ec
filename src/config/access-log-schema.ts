/** The `accessLog` section, of the node and of each listener. */
import { choice, flag, maybe, parsed, section, size } from "./fields.ts";

/** `help` says whose requests it records. */
export function accessLogSection(help: string) {
  return section({
    enabled: flag(true, "`false` where a listener keeps none although the node does."),
    path: maybe(
      parsed(
        "the path of a file, such as /var/log/polarity/access.log",
        checkPath,
        "The file to append to, relative to the configuration's folder; its own folder has to exist. Opened again on reload, for log rotation.",
      ),
    ),
    stdout: flag(false, "Write to standard output instead of a file."),
    format: choice(
      ["json", "combined"],
      "`json`: one object a line, with timings. `combined`: as web servers write it; raw sessions are then left out.",
    ).default("json"),
    query: choice(
      ["redact", "keep"],
      "`redact` writes `*` for the values of queries, in paths and referers: that is where tokens stand.",
    ).default("redact"),
    buffer: size({
      min: "128KiB",
      max: "1GiB",
      byDefault: "4MiB",
      help: "What may wait to be written; beyond it lines are dropped and counted. Stops a slow or full disk taking memory.",
    }),
  })
    .transform(({ enabled, path, stdout, format, query, buffer }, context) => {
      if (enabled && (path === undefined) !== stdout) {
        const message = stdout ? "path or stdout, not both" : "expected path or stdout: true";
        context.issues.push({ code: "custom", input: undefined, message });
      }
      return { enabled, path: stdout ? undefined : path, format, query, bufferBytes: buffer };
    })
    .describe(help);
}

function checkPath(value: string): string {
  if (value === "") throw new Error("expected the path of a file, such as /var/log/polarity/access.log");
  return value;
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { usageLine } from "./usage-line.ts";

test("usage errors are one line with the flag, argument or variable first", () => {
  const cases = [
    [
      "error: unknown command 'routr'\n(Did you mean router?)\n",
      "polarity: unknown command 'routr' (did you mean router?)\n",
    ],
    [
      "error: option '--listen <url[=service]>' argument 'x' is invalid. the port is missing\n",
      "polarity: --listen: the port is missing\n",
    ],
    ["error: option '-c, --config <path>' argument '' is invalid. it is empty\n", "polarity: --config: it is empty\n"],
    [
      "error: option '--name <name>' value 'a.b' from env 'POLARITY_NAME' is invalid. no dots\n",
      "polarity: POLARITY_NAME: no dots\n",
    ],
    [
      "error: command-argument value 'web=' is invalid for argument 'target'. it is empty\n",
      "polarity: target: it is empty\n",
    ],
    ["error: missing required argument 'target'\n", "polarity: missing required argument 'target'\n"],
  ] as const;
  for (const [message, line] of cases) assert.equal(usageLine(message), line);
});

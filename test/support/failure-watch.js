// Loaded first into every Node.js process of a test run (`scripts/test.ts` says so by NODE_OPTIONS). A failure that nobody
// expected ends one connection and no process, so a test may well pass over it; here it is written down, and the run fails.
// Plain JavaScript, as some tests start versions of Node.js that know no types.
import { appendFileSync } from "node:fs";

const file = process.env["POLARITY_TEST_FAILURES"];
const isExpected = process.env["POLARITY_TEST_EXPECTS_FAILURES"] === "1";
const knowsTypes = Number(process.versions.node.split(".")[0]) >= 24;

if (file !== undefined && !isExpected && knowsTypes) {
  const { stackOf, watchInternalErrors } = await import("../../src/base/internal-error.ts");
  const record = (where, thrown) => {
    const failure = { where, command: process.argv.slice(1).join(" "), stack: stackOf(thrown) };
    appendFileSync(file, `${JSON.stringify(failure)}\n`);
  };
  // `test/support/expected-failures.ts` sets this while a test causes some on purpose.
  const expected = Symbol.for("polarity.test.expected-failures");
  watchInternalErrors((where, error) => {
    const list = globalThis[expected];
    if (list === undefined) record(where, error.cause);
  });
  // A test's own process is judged by its runner.
  if (process.env["NODE_TEST_CONTEXT"] === undefined) {
    process.on("uncaughtExceptionMonitor", (error, origin) => {
      if (/polarity\.js$|[/\\]main\.(ts|js)$/.test(process.argv[1] ?? "")) record(origin, error);
    });
  }
}

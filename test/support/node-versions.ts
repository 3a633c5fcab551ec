/** The oldest Node.js that the package promises to run on, for tests of what differs between its versions. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where `.ci/run` puts it. */
export const NODE_24 = fileURLToPath(
  new URL("../../node_modules/.cache/node24/node_modules/node/bin/node", import.meta.url),
);

/** For a test's `skip`. */
export const withoutNode24: string | false = existsSync(NODE_24) ? false : "needs Node.js 24, which .ci/run installs";

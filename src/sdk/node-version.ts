/** Says which Node.js is needed before anything that an older one lacks: whatever imports this imports it first. */
import { PolarityError } from "../base/errors.ts";

export const NODE_MAJOR_MIN = 24;

const { node } = process.versions;
if (Number.parseInt(node, 10) < NODE_MAJOR_MIN) {
  throw new PolarityError(
    "NODE_TOO_OLD",
    `polarity-proxy needs Node.js ${NODE_MAJOR_MIN} or newer, and this is Node.js ${node}`,
  );
}

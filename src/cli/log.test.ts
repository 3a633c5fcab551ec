import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const MODULE = new URL("./log.ts", import.meta.url).href;
/** What a peer, an app or a client would have in a name or a message. */
const EVIL = "\u001b[2J\u001b]0;owned\u0007\u009b31m\nERROR: forged \u202e";

for (const format of ["pretty", "json"] as const) {
  for (const level of ["info", "debug"] as const) {
    test(`nothing in a ${format} line at level ${level} steers a terminal or forges a line`, () => {
      const program = `
        const { createLogger } = await import(${JSON.stringify(MODULE)});
        const { PolarityError } = await import(${JSON.stringify(new URL("../base/errors.ts", import.meta.url).href)});
        const evil = ${JSON.stringify(EVIL)};
        const logger = await createLogger({ level: "${level}", format: "${format}" }, "edge");
        logger.warn({ service: evil, nested: { names: [evil] }, error: new PolarityError("LINK_LOST", evil) }, "peer said " + evil);`;
      const { stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
      assert.match(stderr, /peer said/);
      // What follows a line is indented, and so no line of its own.
      for (const [index, line] of stderr.trimEnd().split("\n").entries())
        assert.ok(index === 0 || line.startsWith("  "), stderr);
      // oxlint-disable-next-line no-control-regex -- they are what must not be there
      assert.ok(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/.test(stderr), JSON.stringify(stderr));
      if (format === "json") assert.equal((JSON.parse(stderr) as { name: string }).name, "edge");
    });
  }
}

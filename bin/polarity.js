#!/usr/bin/env node
// Starts the command line under a Node.js that can run it. Kept to syntax and modules that old versions of Node.js know.
import { spawn } from "child_process";
import { existsSync } from "fs";
import { dirname, join } from "path";
import module from "module";
import { fileURLToPath, pathToFileURL } from "url";

const NODE_MAJOR_MIN = 24;

const self = fileURLToPath(import.meta.url);
const root = dirname(dirname(self));
const windows = process.platform === "win32";
const pinnedNode = join(root, "node_modules", "node", "bin", windows ? "node.exe" : "node");

if (!windows) takeSignalOfDebugger();
if (Number(process.versions.node.split(".")[0]) >= NODE_MAJOR_MIN) {
  start().catch(fail);
} else if (existsSync(pinnedNode)) {
  rerun();
} else {
  fail(new Error("Node.js " + NODE_MAJOR_MIN + " or newer is needed, and this is " + process.versions.node));
}

/** By itself, SIGUSR1 makes Node.js open its debugger, on a port that every user of this machine can reach. */
function takeSignalOfDebugger() {
  process.on("SIGUSR1", () => {
    // Whoever else listens has better words for it, or another process that has.
    if (process.listenerCount("SIGUSR1") > 1) return;
    process.stderr.write("polarity: SIGUSR1 is reserved for an upgrade in place: nothing is done\n");
  });
  // One that came before this line has opened it, or opens it in a moment.
  if (
    process.execArgv
      .concat(process.env.NODE_OPTIONS || "")
      .join(" ")
      .includes("--inspect")
  )
    return;
  // A Node.js that was built without it needs no closing.
  import("inspector").then(closeDebugger, () => {});
}

/** Node.js opens it in the middle of other work, and a second time when it next waits for events: so it is looked for a few times. */
function closeDebugger(inspector) {
  const close = () => {
    if (inspector.url() !== undefined) inspector.close();
  };
  close();
  for (const ms of [0, 100, 1000]) {
    setTimeout(() => {
      close();
      setImmediate(close).unref();
    }, ms).unref();
  }
}

async function start() {
  // Compiled code is kept between runs: a second start is quicker, and needs no compiler of TypeScript in memory.
  const { compileCacheFolder } = await import("./compile-cache.js");
  const folder = compileCacheFolder(process.env);
  if (folder !== undefined) module.enableCompileCache(folder);
  // A checkout runs from its sources; the published package has none.
  const source = join(root, "src", "cli", "main.ts");
  const main = existsSync(source) ? source : join(root, "dist", "cli", "main.js");
  await import(pathToFileURL(main).href);
}

function rerun() {
  // The channel is only a tether: it tells the child when this process is gone, even by SIGKILL.
  const child = spawn(pinnedNode, ["--disable-sigusr1", self].concat(process.argv.slice(2)), {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: Object.assign({}, process.env, { POLARITY_TETHER: "rerun" }),
  });
  const signals = windows ? ["SIGINT", "SIGTERM"] : ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  child.on("error", fail);
  child.on("exit", (code, signal) => {
    for (const name of signals) process.removeAllListeners(name);
    if (signal === null) process.exit(code);
    else process.kill(process.pid, signal);
  });
}

function fail(error) {
  process.stderr.write("polarity: " + (error && error.message ? error.message : error) + "\n");
  process.exit(1);
}

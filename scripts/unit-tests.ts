/**
 * The tests that stand beside the sources, all in one process.
 *
 * They share nothing and wait for nothing, and a process of its own for each of their files took five times as long.
 */
import { globSync } from "node:fs";
import { pathToFileURL } from "node:url";

for (const file of globSync("src/**/*.test.ts").sort()) await import(pathToFileURL(file).href);

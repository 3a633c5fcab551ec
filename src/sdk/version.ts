/** The version of this package: compiled in, as a bundle has no package.json beside it. A test compares the two. */
const VERSION = "0.1.0";

export function packageVersion(): string {
  return VERSION;
}

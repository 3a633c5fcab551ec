/**
 * How an app might read a path that is not written plainly.
 *
 * Routes match what the client sent, byte for byte. Apps may decode `%2F`, walk `..`, join `//`, drop `;…`, take `\` for
 * `/`; then a path that matched one prefix is served as if it lay under another. So a path that could be read in another
 * way is read in that way too, and both must lead to the same route.
 *
 * A plain path costs one look at its characters.
 */

const PERCENT = 0x25;
const DOT = 0x2e;
const SLASH = 0x2f;
const SEMICOLON = 0x3b;
const QUESTION_MARK = 0x3f;
const BACKSLASH = 0x5c;

/** Where the path of a target ends: its length, or where its query begins. */
export function pathEnd(target: string): number {
  const query = target.indexOf("?");
  return query < 0 ? target.length : query;
}

/** Whether every app reads the path (no query) as it is written. */
export function isPlainPath(path: string): boolean {
  let before = 0;
  for (let at = 0; at < path.length; at++) {
    const code = path.charCodeAt(at);
    if (code === PERCENT || code === SEMICOLON || code === BACKSLASH) return false;
    if (before === SLASH && (code === SLASH || code === DOT)) return false;
    before = code;
  }
  return true;
}

/** Encodings of encodings; what is deeper is meant to deceive. */
const DECODINGS_MAX = 4;

/**
 * The path as the most helpful of apps read it: escapes decoded, encoded ones too, as long as what they stand for may
 * stand in a path; parameters dropped, before that or after; backslashes turned, slashes joined.
 * Undefined: it has dot segments, a NUL, or encodings without end, and no two apps need agree on it.
 */
export function pathReadings(path: string): readonly string[] | undefined {
  const reading = decodedReading(path);
  if (reading === undefined || !path.includes(";")) return reading === undefined ? undefined : [reading];
  const without = decodedReading(path.replaceAll(PARAMETERS, ""));
  return without === undefined ? undefined : [reading, without];
}

const PARAMETERS = /;[^/]*/g;

function decodedReading(path: string): string | undefined {
  let text = path;
  for (let round = 0; text.includes("%"); round++) {
    const decoded = text.replaceAll(/%[0-9a-f]{2}/gi, decodeOne);
    if (decoded === text) break;
    if (round === DECODINGS_MAX) return undefined;
    text = decoded;
  }
  text = text
    .replaceAll("\\", "/")
    .replaceAll(PARAMETERS, "")
    .replaceAll(/\/{2,}/g, "/");
  return /\/\.{1,2}(?:\/|$)|%00/.test(text) ? undefined : text;
}

/** An escape's character, if it is printable ASCII and would not end the path or begin another escape by itself. */
function decodeOne(escape: string): string {
  const code = Number.parseInt(escape.slice(1), 16);
  const keeps = code <= 0x20 || code >= 0x7f || code === QUESTION_MARK || code === 0x23;
  return keeps ? escape.toUpperCase() : String.fromCharCode(code);
}

/** The Date field of an answer that has none (RFC 9110 §6.6.1): of ours, and of apps that leave it to who forwards them. */

let second = 0;
let line = "";

/** With its end. Made once a second. */
export function dateLine(): string {
  const now = Math.trunc(Date.now() / 1000);
  if (now !== second) {
    second = now;
    line = `Date: ${new Date(now * 1000).toUTCString()}\r\n`;
  }
  return line;
}

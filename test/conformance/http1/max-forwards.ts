/** RFC 9110 §7.6.2: OPTIONS and TRACE that ask one of the proxies on their way. */
import type { Case } from "./talk.ts";
import { clientGets, clientSends, head, nextIsServed, passed, talk } from "./talk.ts";

const X = "Host: x";
const SECTION = "RFC 9110 §7.6.2 Max-Forwards";

const asked = (method: string, ...lines: readonly string[]): string => head(`${method} / HTTP/1.1`, X, ...lines);
const fewer = (method: string, ...lines: readonly string[]) => ({
  start: `${[`${method} / HTTP/1.1`, X, ...lines].join("\r\n")}\r\n`,
});
const ANSWERED = head("HTTP/1.1 204 No Content", "Allow: OPTIONS", "Via: 1.1 edge");
const NOT_TRACED = head("HTTP/1.1 405 Method Not Allowed", "Allow: OPTIONS", "Content-Length: 0", "Via: 1.1 edge");

export const maxForwardsCases: readonly Case[] = [
  ...["OPTIONS", "TRACE"].flatMap((method) => [
    passed(SECTION, `${method}: one hop fewer is left`, asked(method, "A: b", "Max-Forwards: 10", "C: d"), {
      ...fewer(method, "A: b", "Max-Forwards: 9", "C: d"),
    }),
    passed(SECTION, `${method}: none may be left`, asked(method, "max-forwards:1"), fewer(method, "max-forwards:0")),
    passed(SECTION, `${method}: more than anybody has are fewer`, asked(method, `Max-Forwards: ${"9".repeat(40)}`), {
      ...fewer(method, "Max-Forwards: 999999"),
    }),
    passed(SECTION, `${method}: what is no number passes as it is`, asked(method, "Max-Forwards: -1")),
    passed(SECTION, `${method}: two pass as they are`, asked(method, "Max-Forwards: 0", "Max-Forwards: 1")),
    passed(SECTION, `${method}: without it nothing is counted`, asked(method, "A: Max-Forwards: 0")),
  ]),
  passed(SECTION, "other methods take no notice", asked("GET", "Max-Forwards: 0")),
  passed(SECTION, "nor do methods of another case", asked("options", "Max-Forwards: 0")),
  talk(
    SECTION,
    "OPTIONS of which none is left is answered here, and the connection goes on",
    clientSends(asked("OPTIONS", "Max-Forwards: 0")),
    clientGets(ANSWERED),
    nextIsServed(),
  ),
  talk(
    SECTION,
    "so is OPTIONS of the whole server",
    clientSends(head("OPTIONS * HTTP/1.1", X, "Max-Forwards: 00")),
    clientGets(ANSWERED),
    nextIsServed(),
  ),
  talk(
    SECTION,
    "TRACE of which none is left is not sent back",
    clientSends(asked("TRACE", "Cookie: secret", "Max-Forwards: 0")),
    clientGets(NOT_TRACED),
    nextIsServed(),
  ),
];

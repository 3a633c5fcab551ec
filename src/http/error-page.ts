/**
 * The page that a person sees when a request has failed: what happened, and how far the request came.
 *
 * One document without anything to load, in ASCII, so that it reads the same in whatever encoding and can be sent as it is.
 */
import { ERRORS } from "../base/errors.ts";
import type { ErrorCode, Fault } from "../base/errors.ts";
import { reasonPhrase } from "./reason-phrase.ts";

/** Who failed, in words that stand for a subject. */
export const WHO_FAILED: Readonly<Record<Fault, string>> = Object.freeze({
  client: "the client's request",
  app: "the app behind the connector",
  connector: "the connectors of this service",
  router: "this router",
  peer: "the far side of the link",
  network: "the network between router and connector",
  operator: "the configuration of this node",
});

/** The way of a request, and on which part of it each fault lies. */
const WAY = ["Client", "Router", "Connector", "App"] as const;
const PLACE: Readonly<Record<Fault, number>> = Object.freeze({
  client: 0,
  router: 1,
  operator: 1,
  network: 2,
  peer: 2,
  connector: 2,
  app: 3,
});

const STYLE =
  ":root{color-scheme:light dark;--t:#1c2128;--d:#59636e;--l:#d1d9e0;--b:#f6f8fa;--p:#fff;--bad:#c4232b;--ok:#1a7f37}" +
  "@media(prefers-color-scheme:dark){:root{--t:#e6edf3;--d:#9198a1;--l:#3d444d;--b:#0d1117;--p:#151b23;--bad:#ff7b72;--ok:#3fb950}}" +
  "*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--b);color:var(--t);font:16px/1.5 system-ui,sans-serif}" +
  "main{width:100%;max-width:40rem;padding:2rem;background:var(--p);border:1px solid var(--l);border-radius:10px}" +
  "h1{margin:0 0 .5rem;font-size:1.6rem;line-height:1.25}h1 b{color:var(--bad)}p{margin:.5rem 0}" +
  "ol{display:flex;margin:1.5rem 0;padding:0;list-style:none}li{flex:1;text-align:center;font-size:.85rem;color:var(--d);position:relative}" +
  'li::before{content:"";display:block;width:1rem;height:1rem;margin:0 auto .4rem;border-radius:50%;border:2px solid var(--l);background:var(--p);position:relative;z-index:1}' +
  'li+li::after{content:"";position:absolute;top:.5rem;left:-50%;width:100%;border-top:2px solid var(--l)}' +
  "li.ok::before,li.ok+li::after{border-color:var(--ok)}li.ok::before{background:var(--ok)}" +
  "li.bad{color:var(--bad);font-weight:600}li.bad::before{border-color:var(--bad);background:var(--bad)}" +
  "pre{margin:0 0 1rem;padding:.75rem;background:var(--b);border:1px solid var(--l);border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere;font:.85rem/1.5 ui-monospace,monospace}" +
  "footer{color:var(--d);font-size:.85rem;overflow-wrap:anywhere}";

/** `message`: one line. `requestId`: empty for none. */
export function errorPage(code: ErrorCode, message: string, requestId: string): string {
  const { status, fault, summary } = ERRORS[code];
  const phrase = reasonPhrase(status);
  const failedAt = PLACE[fault];
  const way = WAY.map((name, at) => {
    const kind = at < failedAt ? ' class="ok"' : at === failedAt ? ' class="bad"' : "";
    return `<li${kind}>${name}</li>`;
  });
  const id = requestId === "" ? "" : ` &middot; request ${htmlText(requestId)}`;
  return (
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>${status} ${phrase}</title>` +
    `<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">` +
    `<style>${STYLE}</style></head>\n` +
    `<body><main><h1><b>${status}</b> ${phrase}</h1>` +
    `<p>${htmlText(capitalized(WHO_FAILED[fault]))} failed: ${htmlText(summary)}.</p>` +
    `<ol aria-hidden="true">${way.join("")}</ol>` +
    `<pre>${htmlText(message)}</pre><footer>Polarity &middot; ${code}${id}</footer></main></body></html>\n`
  );
}

/** Text that cannot leave its element, in ASCII. */
function htmlText(text: string): string {
  // By code point, so that what lies beyond the basic plane is one reference and not half of one.
  return text.replace(/[^\x20-\x7e]|["&'<>]/gu, (character) => `&#${character.codePointAt(0) ?? 0xfffd};`);
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

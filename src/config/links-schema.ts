/** The `links` section: where other nodes join, and which nodes this one dials. */
import { z } from "zod";
import { isLocalPlace, parseLinkAddress, parseLinkListenerAddress } from "../base/address.ts";
import { ofThisSystem } from "../socket/abstract-socket.ts";
import { messageOf } from "../base/errors.ts";
import { checkAuthority, readCertificate } from "../socket/certificate.ts";
import { reservedIdentity } from "../base/identity.ts";
import { ROUTERS_MAX } from "../link/link-limits.ts";
import { TokenSet } from "../link/tokens.ts";
import { clientTlsSection, isTlsSet } from "./client-tls-schema.ts";
import type { ReadFile } from "./fields.ts";
import { choice, duration, file, flag, integer, list, maybe, parsed, secretFile, section, text } from "./fields.ts";
import { LoadedText } from "./loaded-text.ts";
import { socketModeField, socketModeProblem } from "./socket-mode.ts";
import { parseTokens } from "./tokens-file.ts";

export function linksSection(read: ReadFile) {
  return section({
    accept: list(acceptSection(read), "Where other nodes may join."),
    dial: list(dialSection(read), "The nodes that this one keeps links to."),
  })
    .prefault({})
    .describe("Links to other nodes.");
}

function acceptSection(read: ReadFile) {
  const tls = section({
    cert: file(read, "The certificate chain, PEM."),
    key: file(read, "The certificate's private key, PEM."),
    clientCa: maybe(file(read, "Certificate authority that dialling nodes must hold a certificate of, PEM.")),
  }).superRefine(({ cert, key, clientCa }, context) => {
    const check = (path: string[], work: () => void): void => {
      try {
        work();
      } catch (error) {
        context.issues.push({ code: "custom", input: undefined, path, message: messageOf(error) });
      }
    };
    check([], () => readCertificate({ cert, key }));
    if (clientCa !== undefined) check(["clientCa"], () => checkAuthority(clientCa));
  });
  const auth = section({
    tokensFile: parsed(
      "the path of a file",
      (path) => {
        const { origin, text: tokens } = read(path);
        return new TokenSet(parseTokens(tokens, path), origin);
      },
      "The tokens that dialling nodes may show: YAML, `name: token` a line. The name is who the node then is.",
    ),
  });
  return section({
    url: parsed(
      "a URL such as tcp://0.0.0.0:8000",
      ofThisSystem(parseLinkListenerAddress),
      "Where to listen: `tcp://HOST:PORT`, `:PORT`, `PORT` of 127.0.0.1, `unix:///path` or `unix:@name`. One tcp port takes raw, websocket and TLS links.",
    ),
    socketMode: socketModeField("what the umask of the process allows"),
    tls: maybe(tls).describe("Makes the port take TLS links."),
    auth: maybe(auth).describe("Who may join."),
    insecure: flag(false, "Accept anybody, even beyond this machine."),
    relay: flag(
      true,
      "Pass on to who joins here what other nodes offer, and its streams to them, so that `forward`, `dial` and other routers reach them.",
    ),
    cranker: maybe(crankerSection()).describe(
      "Take cranker connectors, versions 1.0 and 3.0, on the same port. `true`, or keys of its own.",
    ),
    routers: list(
      parsed(
        "a URL such as wss://edge-2.example.com:8000",
        parseLinkAddress,
        "A router, as who joins here can dial it.",
      ),
      "Other routers that are worth joining, told to who joins here.",
    ).refine((routers) => routers.length <= ROUTERS_MAX, { error: `expected at most ${ROUTERS_MAX} routers` }),
  }).transform(({ url, socketMode, tls: certificates, auth: known, insecure, ...rest }, context) => {
    const open = known === undefined && certificates?.clientCa === undefined;
    if (open && !insecure && !isLocalPlace(url.place)) {
      context.issues.push({
        code: "custom",
        input: url.url,
        message:
          `${url.url} is reachable beyond this machine and would let anybody join: ` +
          "set auth.tokensFile (--tokens-file), tls.clientCa (--client-ca), or insecure: true (--insecure)",
      });
    }
    const useless = socketModeProblem(socketMode, url.place, url.url);
    if (useless !== undefined) {
      context.issues.push({ code: "custom", input: undefined, path: ["socketMode"], message: useless });
    }
    return { address: url, socketMode, tls: certificates, tokens: known?.tokensFile, insecure, ...rest };
  });
}

/** `cranker: true`, or with keys of its own. */
function crankerSection() {
  const expected = "expected names of services, such as web, shop.example.com/cart, shop.example.com/* or *";
  const keys = section({
    responseTimeout: duration({
      min: "1ms",
      max: "24h",
      byDefault: "60s",
      help: "How long an app behind a cranker connector may take to begin its answer.",
    }),
    routes: maybe(
      z
        .record(z.string(), z.array(z.string({ error: expected }), { error: expected }), {
          error: "expected identities and lists of services",
        })
        .meta({
          description:
            "Who may register what: the name of a token or certificate, and a list of `route`, `domain/route`, `domain/*` or `*`. Left out: a name belongs to who registers it first.",
          polarityValue: "names and lists",
        }),
    ),
  }).transform(({ responseTimeout, routes }) => ({ responseTimeoutMs: responseTimeout, routes }));
  return z
    .preprocess((value) => (value === true ? {} : value === false ? undefined : value), maybe(keys))
    .meta({ polarityFlag: true });
}

function dialSection(read: ReadFile) {
  return section({
    url: parsed(
      "a URL such as wss://edge.example.com:8000",
      ofThisSystem(parseLinkAddress),
      "The node to dial: `tcp://`, `tls://`, `ws://`, `wss://`, `unix:///path` or `unix:@name`; `srv+tls://NAME` and the like find it by SRV records, `naptr+tls://NAME` by NAPTR records.",
    ),
    cost: integer(0, 1_000_000, 0, "What the link costs to use, told to the other node; cheaper links are preferred."),
    links: integer(1, 1000, 1, "How many links to keep to it."),
    extraLinks: integer(
      0,
      16,
      0,
      "How many more to open, one after the other, while at least half of the streams of each that is there are used, and to close when they are not needed.",
    ),
    addresses: choice(
      ["first", "all"],
      "Which of what the name leads to, addresses of both families or servers of SRV and NAPTR records, to keep links to: the first that answers, or every one.",
    ).default("first"),
    resolveEvery: duration({
      min: "100ms",
      max: "24h",
      byDefault: "30s",
      help: "With `addresses: all`: how often the name is resolved again.",
    }),
    discover: maybe(discoverSection()).describe(
      "Also keep links to the routers that this one names (its `routers`). Left out: they are not dialled.",
    ),
    relay: flag(
      false,
      "Pass on to it what other nodes offer to this one, and its streams to them: for routers in a chain.",
    ),
    identity: maybe(
      text(
        "a name",
        "Who the node that is dialled is to this one, as the owner of the services that it offers: nodes that are dialled with one identity may offer the same service. Left out: the name in its certificate, or `anonymous`.",
      ).refine((name) => reservedIdentity(name) === undefined, {
        error: ({ input }) => `${reservedIdentity(String(input))}: take another name`,
      }),
    ),
    token: maybe(text("a token", "The token to show. Better kept in a file, or written as `${VARIABLE}`.")),
    tokenFile: maybe(secretFile(read, "A file that holds the token to show.")),
    tls: clientTlsSection(read).prefault({}).describe("For `tls://` and `wss://`."),
  }).transform(
    (
      {
        url,
        cost,
        links,
        extraLinks,
        addresses,
        resolveEvery,
        discover,
        relay,
        identity,
        token,
        tokenFile,
        tls: trust,
      },
      context,
    ) => {
      if (token !== undefined && tokenFile !== undefined) {
        context.issues.push({ code: "custom", input: undefined, message: "give token or tokenFile, not both" });
      }
      const encrypted = url.transport === "tls" || url.transport === "wss";
      if (!encrypted && isTlsSet(trust)) {
        context.issues.push({
          code: "custom",
          input: undefined,
          path: ["tls"],
          message: `tls settings need a tls:// or wss:// URL, and ${url.url} is neither`,
        });
      }
      const given = token === undefined ? undefined : new LoadedText("the configuration", token);
      return {
        address: url,
        cost,
        links,
        extraLinks,
        addresses,
        resolveEveryMs: resolveEvery,
        discover,
        relay,
        identity,
        token: given ?? tokenFile,
        tls: trust,
      };
    },
  );
}

/** Whoever is dialled gets the token, so the operator says where that may be. */
function discoverSection() {
  const host = "a host such as edge-2.example.com or *.example.com";
  return section({
    max: integer(1, ROUTERS_MAX, 8, "How many of them, at most."),
    hosts: list(
      text(host, "A host.").regex(/^(\*\.)?[a-z0-9_.:-]+$/i, { error: `expected ${host}` }),
      "Hosts that may be dialled, and shown the token, besides the URL's own: names, or `*.example.com` for what is below one. Over TLS only, if the URL says so.",
    ),
  });
}

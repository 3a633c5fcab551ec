/** The flags that several commands share. */
import type { Command } from "commander";
import { parseLinkListenerAddress, parseListenerAddress, parseTargetAddress } from "../base/address.ts";
import { checkNodeName, parseAnalyzeArgument, parseListenArgument, parseRouterArgument } from "../base/argument.ts";
import { PolarityError } from "../base/errors.ts";
import { parseDuration } from "../config/fields.ts";
import { choiceFlag, listFlag, ownListFlag, switchFlag, text, valueFlag, wholeNumber } from "./flag.ts";

export function addNodeFlags(command: Command): Command {
  return command
    .addOption(valueFlag("--name <name>", "what other nodes call this one; by default the host's name", checkNodeName))
    .addOption(valueFlag("--admin <url>", "admin API, health and metrics, such as http://127.0.0.1:8088", adminUrl))
    .addOption(valueFlag("--admin-token-file <path>", "the admin API's bearer token", text))
    .addOption(valueFlag("--state-folder <path>", "where services registered with --keep are written", text))
    .addOption(
      valueFlag(
        "--drain-delay <duration>",
        "how long to go on taking clients when stopping, while /readyz answers 503 (0s)",
        durationText,
      ),
    )
    .addOption(
      valueFlag("--drain-timeout <duration>", "how long to wait for work under way when stopping (30s)", durationText),
    )
    .addOption(
      choiceFlag("--log-level <level>", "least important message to write (info)", ["debug", "info", "warn", "error"]),
    )
    .addOption(choiceFlag("--log-format <format>", "how (auto: pretty on a terminal)", ["auto", "pretty", "json"]));
}

export function addAcceptFlags(command: Command): Command {
  return command
    .addOption(
      listFlag(
        "--link <url>",
        "where connectors join: one port takes raw, websocket and TLS links; repeatable (tcp://127.0.0.1:8000)",
        parseLinkListenerAddress,
      ),
    )
    .addOption(
      listFlag(
        "--listen <url[=service]>",
        "where clients come in; =service fixes the service; repeatable (http://127.0.0.1:8001)",
        parseListenArgument,
      ),
    )
    .addOption(valueFlag("--tokens-file <path>", "who may join: YAML, `name: token` a line", text))
    .addOption(valueFlag("--tls-cert <path>", "certificate chain for TLS links, PEM", text))
    .addOption(valueFlag("--tls-key <path>", "its private key, PEM", text))
    .addOption(valueFlag("--client-ca <path>", "authority that connectors need a certificate of, PEM", text))
    .addOption(switchFlag("--insecure", "let anybody join, even beyond this machine"))
    .addOption(switchFlag("--cranker", "take cranker connectors too, versions 1.0 and 3.0, on the ports of the links"))
    .addOption(switchFlag("--no-relay", "do not let others reach services through this node, but its own"));
}

export const ANY_ROUTER = "router to keep a link to, `#cost=10&links=2` behind it; repeatable (tcp://127.0.0.1:8000)";
export const NEXT_ROUTER =
  "another router to keep a link to, `#cost=10&links=2` behind it: each reaches what the other leads to; repeatable";

export function addDialFlags(command: Command, router = ANY_ROUTER): Command {
  // POLARITY_ROUTER tells connectors where their router is. The router, in the same environment, would join itself by it.
  const flag = router === NEXT_ROUTER ? ownListFlag : listFlag;
  return command
    .addOption(flag("--router <url>", router, parseRouterArgument))
    .addOption(
      valueFlag("--token-file <path>", "file with the token to show; POLARITY_TOKEN is the token itself", text),
    )
    .addOption(valueFlag("--links <count>", "links to keep to each router (1)", wholeNumber(1, 1000)))
    .addOption(
      valueFlag(
        "--cost <number>",
        "what the links cost to use; cheaper ones are preferred (0)",
        wholeNumber(0, 1_000_000),
      ),
    )
    .addOption(valueFlag("--ca <path>", "authority to trust for tls:// and wss://, PEM", text))
    .addOption(valueFlag("--cert <path>", "client certificate for tls:// and wss://, PEM", text))
    .addOption(valueFlag("--key <path>", "its private key, PEM", text));
}

/** `where`: what of this command has services. */
export function addAnalyzeFlag(command: Command, where: string): Command {
  return command.addOption(
    listFlag(
      "--analyze <service=analyzer>",
      `keep statistics of a service's protocol ${where}: foo, http, redis, postgres, bytes, or the path of a module; repeatable`,
      parseAnalyzeArgument,
    ),
  );
}

/** For the commands that talk to a running node. */
export function addClientFlags(command: Command): Command {
  return command
    .addOption(
      valueFlag("--node <url>", "the node's admin API; a port alone is one of 127.0.0.1", nodeUrl).default(
        "http://127.0.0.1:8088",
      ),
    )
    .addOption(valueFlag("--admin-token-file <path>", "file with its bearer token", text));
}

function adminUrl(value: string): string {
  const { scheme, url } = parseListenerAddress(value);
  if (scheme !== "http" && scheme !== "unix")
    throw new PolarityError("USAGE", "expected a URL such as http://127.0.0.1:8088");
  return url;
}

function nodeUrl(value: string): string {
  const { scheme, url } = parseTargetAddress(value);
  if (scheme !== "http" && scheme !== "unix")
    throw new PolarityError("USAGE", "expected a URL such as http://127.0.0.1:8088");
  return url;
}

function durationText(value: string): string {
  if (parseDuration(value) !== undefined) return value;
  throw new PolarityError("USAGE", "expected a duration such as 5s, 250ms or 1m");
}

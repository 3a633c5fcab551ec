/** The commands that talk to a running node through its admin API. */
import type { Command } from "commander";
import { Argument } from "commander";
import { parseTargetAddress } from "../base/address.ts";
import { checkServiceName } from "../base/argument.ts";
import { PolarityError } from "../base/errors.ts";
import { readYaml, yamlInvalid, yamlValue } from "../config/yaml-text.ts";
import type { ClientFlags, Finish, OutputFlags, RegisterFlags } from "./command-flags.ts";
import { OUTPUT_FORMATS, RESOURCES } from "./client-output.ts";
import type { Resource } from "./client-output.ts";
import { checked, choiceArgument, choiceFlag, listFlag, switchFlag, text, valueFlag, wholeNumber } from "./flag.ts";
import { addClientFlags } from "./node-flags.ts";

export function addClientCommands(program: Command, finish: Finish): void {
  addOutputFlags(addClientFlags(program.command("status").description("what a running node is and does"))).action(
    async (flags: OutputFlags) => finish(await (await commands()).showStatus(flags)),
  );

  addOutputFlags(
    addClientFlags(
      program
        .command("get")
        .description("list what a running node sees")
        .addArgument(choiceArgument("<what>", "what to list", RESOURCES)),
    ),
  ).action(async (what: Resource, flags: OutputFlags) => finish(await (await commands()).showResource(what, flags)));

  addClientFlags(
    program
      .command("register")
      .description("make a running node offer another service")
      .addArgument(serviceArgument())
      .addArgument(
        new Argument("<target>", "such as http://127.0.0.1:3000 or tcp://127.0.0.1:5432").argParser(
          (value) => checked(parseTargetAddress, value).url,
        ),
      )
      .addOption(valueFlag("--weight <number>", "share of the work relative to other nodes (1)", wholeNumber(1, 1000)))
      .addOption(listFlag("--label <name=value>", "told to other nodes with the offer; repeatable", labelArgument))
      .addOption(valueFlag("--protocol <name>", "what the app speaks, if its URL does not say", text))
      .addOption(valueFlag("--health <path>", "check the app in the background by this path", text))
      .addOption(
        valueFlag("--settings <yaml>", "any settings of a service, such as '{connectTimeout: 1s}'", settingsArgument),
      )
      .addOption(switchFlag("--keep", "also after the node has started again")),
  ).action(async (name: string, target: string, flags: RegisterFlags) =>
    finish(await (await commands()).register(name, target, flags)),
  );

  addClientFlags(
    program
      .command("unregister")
      .description("make a running node offer a service no more")
      .addArgument(serviceArgument()),
  ).action(async (name: string, flags: ClientFlags) => finish(await (await commands()).unregister(name, flags)));

  addClientFlags(
    program
      .command("cost")
      .description("change what a running node's links to a router cost, until its next reload")
      .addArgument(
        new Argument("<router>", "a router's URL or name, or a link's id").argParser((value) => checked(text, value)),
      )
      .addArgument(
        new Argument("<cost>", "cheaper links are preferred").argParser((value) =>
          checked(wholeNumber(0, 1_000_000), value),
        ),
      ),
  ).action(async (link: string, cost: number, flags: ClientFlags) =>
    finish(await (await commands()).setCost(link, cost, flags)),
  );

  addClientFlags(program.command("drain").description("make a running node finish its work and stop")).action(
    async (flags: ClientFlags) => finish(await (await commands()).drain(flags)),
  );

  addClientFlags(program.command("reload").description("make a running node read its configuration file again")).action(
    async (flags: ClientFlags) => finish(await (await commands()).reload(flags)),
  );
}

function addOutputFlags(command: Command): Command {
  return command
    .addOption(choiceFlag("-o, --output <format>", "how to print it", OUTPUT_FORMATS).default("table"))
    .addOption(switchFlag("-w, --watch", "print it again every second"));
}

function labelArgument(value: string): readonly [string, string] {
  const equals = value.indexOf("=");
  if (equals < 1) throw new PolarityError("USAGE", "expected NAME=VALUE such as zone=a");
  return [value.slice(0, equals), value.slice(equals + 1)];
}

function settingsArgument(value: string): Readonly<Record<string, unknown>> {
  const yaml = readYaml(value, "settings");
  if (yaml.faults.length > 0) throw yamlInvalid(yaml, yaml.faults);
  const settings = yamlValue(yaml);
  if (typeof settings !== "object" || settings === null || Array.isArray(settings)) {
    throw new PolarityError("USAGE", "expected settings such as '{connectTimeout: 1s}'");
  }
  return { ...settings };
}

function serviceArgument(): Argument {
  return new Argument("<name>", "the service's name").argParser((value) => checked(checkServiceName, value));
}

function commands() {
  return import("./client-commands.ts");
}

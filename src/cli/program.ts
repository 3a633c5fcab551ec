/** The command line as a tree of commands. What a command does is loaded when it is asked for, so that help is quick. */
import { Argument, Command } from "commander";
import { type ListenerAddress, parseListenerAddress } from "../base/address.ts";
import { parseListenArgument, parseServiceReference, parseTargetArgument } from "../base/argument.ts";
import type { ListenArgument, ServiceReference, TargetArgument } from "../base/argument.ts";
import { addClientCommands } from "./client-command-tree.ts";
import type {
  ConnectFlags,
  DemoFlags,
  FileFlags,
  CloudbusFlags,
  FooProxyFlags,
  Finish,
  ForwardFlags,
  NodeFlags,
  RouterFlags,
  WaitFlags,
} from "./command-flags.ts";
import { SHELLS } from "./completion.ts";
import type { Shell } from "./completion.ts";
import { checked, choiceArgument, choiceFlag, switchFlag, text, valueFlag, wholeNumber } from "./flag.ts";
import { addAcceptFlags, addAnalyzeFlag, addDialFlags, addNodeFlags, NEXT_ROUTER } from "./node-flags.ts";
import { packageVersion } from "../sdk/version.ts";

export function createProgram(finish: Finish): Command {
  const program = new Command("polarity")
    .description(
      "Reach services that cannot be dialled: the side that can dial out does, and its link carries the traffic.",
    )
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .showSuggestionAfterError(true);
  addNodeCommands(program, finish);
  addClientCommands(program, finish);
  addFileCommands(program, finish);
  return program;
}

function addNodeCommands(program: Command, finish: Finish): void {
  program
    .command("demo")
    .description("start an app, a router and a connector on this machine, and send requests through them")
    .addOption(switchFlag("--once", "stop after the requests; exit 0 if all were right"))
    .action(async (flags: DemoFlags) => finish(await (await import("./demo.ts")).runDemo(flags.once === true)));

  program
    .command("demo-app", { hidden: true })
    .description("the demo's app")
    .addOption(valueFlag("--port <port>", "where to listen", wholeNumber(0, 65_535)))
    .action(async (flags: { readonly port?: number }) =>
      finish(await (await import("./demo-app.ts")).runDemoApp(flags.port ?? 0)),
    );

  addNodeFlags(
    program.command("run").description("run a node from a configuration file").addOption(configFlag()),
  ).action(async (flags: NodeFlags & FileFlags) => finish(await (await commands()).runFromFile(flags)));

  addNodeFlags(
    addDialFlags(
      addAnalyzeFlag(
        addAcceptFlags(program.command("router").description("run a router: connectors join it, clients come in")),
        "where its clients come in",
      ),
      NEXT_ROUTER,
    ),
  ).action(async (flags: RouterFlags) => finish(await (await commands()).runRouter(flags)));

  addNodeFlags(
    addDialFlags(
      addAnalyzeFlag(
        program
          .command("connect")
          .description("offer services to routers: NAME=TARGET, or a target alone for whatever nobody else serves")
          .addArgument(
            new Argument(
              "<target...>",
              "such as web=http://127.0.0.1:3000 or db=tcp://127.0.0.1:5432; a port alone is http",
            ).argParser(variadic(parseTargetArgument)),
          )
          .addOption(
            valueFlag("--weight <number>", "share of the work relative to other connectors (1)", wholeNumber(1, 1000)),
          ),
        "at its target",
      ),
    ),
  ).action(async (targets: TargetArgument[], flags: ConnectFlags) =>
    finish(await (await commands()).runConnect(targets, flags)),
  );

  addNodeFlags(
    addDialFlags(
      addAnalyzeFlag(
        program
          .command("forward")
          .description("listen here for a service that only the link reaches")
          .addArgument(
            new Argument(
              "<listener...>",
              "URL=SERVICE or URL=NODE.SERVICE, such as tcp://127.0.0.1:15432=db",
            ).argParser(variadic(parseListenArgument)),
          ),
        "where its clients come in",
      ),
    ),
  ).action(async (listeners: ListenArgument[], flags: ForwardFlags) =>
    finish(await (await commands()).runForward(listeners, flags)),
  );

  addFooCommands(program, finish);
  addCloudbusCommands(program, finish);

  addNodeFlags(
    addDialFlags(
      program
        .command("dial")
        .description("standard input and output as one stream to a service, as ssh's ProxyCommand wants it")
        .addArgument(
          new Argument("<service>", "SERVICE or NODE.SERVICE").argParser((value) =>
            checked(parseServiceReference, value),
          ),
        )
        .addOption(
          valueFlag("--wait <duration>", "how long to wait for the router and the service", text).default("10s"),
        ),
    ),
  ).action(async (service: ServiceReference, flags: WaitFlags) =>
    finish(await (await import("./dial.ts")).runDial(service, flags)),
  );
}

function addFooCommands(program: Command, finish: Finish): void {
  addNodeFlags(
    program
      .command("foo-proxy")
      .description("Foo Protocol Proxy: pass its messages on, and count them; flags may have one dash, as in Go")
      .addOption(valueFlag("--listen <address>", "where clients come in (LISTENING_PORT, or :8002)", text))
      .addOption(valueFlag("--forward <address>", "where the server is (FORWARDING_PORT, or :8001)", text))
      .addOption(valueFlag("--http <address>", "where figures and health are (HTTP_ADDRESS, or 0.0.0.0:8088)", text))
      .addOption(
        valueFlag(
          "--recovery-path <path>",
          "the file that keeps the figures (RECOVERY_PATH, or .data/recovery.json)",
          text,
        ),
      ),
  ).action(async (flags: FooProxyFlags) =>
    finish(await (await import("./foo-proxy.ts")).runFooProxy(flags, process.env)),
  );

  program
    .command("foo-server", { hidden: true })
    .description("a server of the Foo Protocol, to try foo-proxy with")
    .addOption(valueFlag("--listen <url>", "where to listen", parseListenerAddress).default("tcp://127.0.0.1:8001"))
    .action(async (flags: { readonly listen: ListenerAddress | string }) =>
      finish(
        await (
          await import("./foo-server.ts")
        ).runFooServer(typeof flags.listen === "string" ? parseListenerAddress(flags.listen) : flags.listen),
      ),
    );
}

function addCloudbusCommands(program: Command, finish: Finish): void {
  const ini = (role: string) => valueFlag("-c, --config <path>", `Cloudbus's file (${role}.ini)`, text);
  addNodeFlags(
    program
      .command("controller")
      .description("Cloudbus: take clients, and spread each session over segments, as controller.ini says")
      .addOption(ini("controller"))
      .addOption(valueFlag("--token-file <path>", "file with the token to show to segments", text))
      .addOption(valueFlag("--ca <path>", "authority to trust for tls:// and wss:// segments, PEM", text)),
  ).action(async (flags: CloudbusFlags) => finish(await (await cloudbus()).runCloudbus("controller", flags)));

  addNodeFlags(
    program
      .command("segment")
      .description("Cloudbus: take links of controllers, and connect their sessions, as segment.ini says")
      .addOption(ini("segment"))
      .addOption(valueFlag("--tokens-file <path>", "who may link: YAML, `name: token` a line", text))
      .addOption(valueFlag("--tls-cert <path>", "certificate chain for TLS links, PEM", text))
      .addOption(valueFlag("--tls-key <path>", "its private key, PEM", text))
      .addOption(switchFlag("--insecure", "let anybody link, even beyond this machine")),
  ).action(async (flags: CloudbusFlags) => finish(await (await cloudbus()).runCloudbus("segment", flags)));

  program
    .command("config")
    .description("configuration files of other systems")
    .command("import")
    .description("print a Cloudbus file as this system's YAML")
    .addArgument(new Argument("<file>", "controller.ini or segment.ini"))
    .addOption(choiceFlag("--as <role>", "what the file is for (segment if it is so named, else controller)", ROLES))
    .addOption(valueFlag("--token-file <path>", "file with the token to show to segments", text))
    .addOption(valueFlag("--tokens-file <path>", "who may link to a segment", text))
    .addOption(valueFlag("--ca <path>", "authority to trust for tls:// and wss:// segments, PEM", text))
    .addOption(valueFlag("--tls-cert <path>", "certificate chain of a segment, PEM", text))
    .addOption(valueFlag("--tls-key <path>", "its private key, PEM", text))
    .addOption(switchFlag("--insecure", "let anybody link to a segment, even beyond this machine"))
    .action(async (file: string, flags: CloudbusFlags & { readonly as?: (typeof ROLES)[number] }) => {
      const role = flags.as ?? (/segment/i.test(file) ? "segment" : "controller");
      finish((await cloudbus()).importCloudbus(file, role, flags));
    });
}

const ROLES = ["controller", "segment"] as const;

function cloudbus() {
  return import("./cloudbus.ts");
}

function addFileCommands(program: Command, finish: Finish): void {
  program
    .command("validate")
    .description("check a configuration file; exit 0 if a node would take it")
    .addOption(configFlag())
    .action(async (flags: FileFlags) => finish((await commands()).validate(flags)));

  program
    .command("schema")
    .description("print the JSON Schema of the configuration file")
    .action(async () => finish((await commands()).printSchema()));

  program
    .command("completion")
    .description("print a completion script for a shell, such as: source <(polarity completion bash)")
    .addArgument(choiceArgument("<shell>", "the shell", SHELLS))
    .action(async (shell: Shell) => {
      const { completionScript } = await import("./completion.ts");
      process.stdout.write(completionScript(program, shell));
      finish(0);
    });

  program
    .command("version")
    .description("print the version")
    .action(() => {
      process.stdout.write(`${packageVersion()}\n`);
      finish(0);
    });
}

function configFlag() {
  return valueFlag(
    "-c, --config <path>",
    "the configuration file; by default polarity.yaml here, then the user's, then /etc/polarity's",
    text,
  );
}

function commands() {
  return import("./node-commands.ts");
}

function variadic<Value>(parse: (text: string) => Value) {
  return (value: string, previous: readonly Value[] | undefined): Value[] => [
    ...(previous ?? []),
    checked(parse, value),
  ];
}

/** `swirl view`: run directories in the browser, during a run or afterwards. */
import { InvalidArgumentError } from "commander";
import { print } from "./output.js";
import { say } from "./progress-bar.js";
import { subcommand } from "./subcommand.js";

export const viewCommand = () =>
  subcommand({
    name: "view",
    summary:
      "look at runs in the browser: curves, trajectories, verdicts, comparisons; updated while a run is in progress",
    withoutConfig: true,
    endsBySignal: true,
    customize: (command) =>
      command
        .argument("[runs...]", "run directories, or folders of them (default: the current folder)")
        .option("--port <n>", "port on 127.0.0.1; 0 = any (default: the first free one from 6010 on)", port),
    details:
      "Serves a page on 127.0.0.1 until it is stopped (Ctrl-C). It reads run directories and writes nothing; it needs no\n" +
      "network. What it shows: docs/view.md.",
    run: async ({ args, own, json, signal }) => {
      const { serveView } = await import("../view/serve.js");
      const folders = args.length > 0 ? args : ["."];
      await using server = await serveView({ folders, port: own.port as number | undefined });
      const { runs } = server.runs;
      if (json) print(JSON.stringify({ url: server.url, runs: runs.map(({ folder }) => folder) }));
      else {
        print(server.url);
        say(
          runs.length === 0
            ? `no run in ${folders.join(", ")} yet: one that begins there will appear`
            : `${runs.length === 1 ? "1 run" : `${runs.length} runs`}; Ctrl-C ends it`,
        );
      }
      if (signal.aborted) return;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    },
  });

function port(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a port: use 0 to 65535.`);
}

/** `swirl pull org/name`: a model of the Hugging Face hub into the local cache. */
import { print } from "./output.js";
import { progressLine } from "./progress-bar.js";
import { subcommand } from "./subcommand.js";

export const pullCommand = () =>
  subcommand({
    name: "pull",
    summary: "download a model of the Hugging Face hub into the local cache, and print its folder",
    withoutConfig: true,
    customize: (command) =>
      command
        .argument("<name>", "org/name, such as HuggingFaceTB/SmolLM2-135M-Instruct")
        .option("--revision <name>", "branch, tag or commit", "main"),
    details:
      "Reads HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_ENDPOINT and HF_HUB_OFFLINE. Transformers finds the model there, too.",
    resume: "Run the same command again: it resumes where it stopped.",
    run: async ({ args, own, json, signal }) => {
      const { pullModel } = await import("../hub/pull-model.js");
      const bar = progressLine("pull", { quiet: json });
      const folder = await pullModel(args[0]!, {
        revision: String(own.revision),
        signal,
        onProgress: ({ file, done, total }) =>
          bar.update(Math.round(done / 1e4) / 100, Math.round(total / 1e4) / 100, `MB, ${file}`),
      });
      bar.stop();
      print(json ? JSON.stringify({ folder }) : folder);
    },
  });

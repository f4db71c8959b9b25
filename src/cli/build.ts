/** `swirl build`: compiles the native engine, for package managers that do not run install scripts. */
import { spawnSync } from "node:child_process";
import { packageRoot } from "../version.js";
import { print } from "./output.js";
import { subcommand } from "./subcommand.js";

export const buildCommand = () =>
  subcommand({
    name: "build",
    summary: "compile the native engine, if the package manager did not; compiles only what changed",
    withoutConfig: true,
    details:
      "Needs a C++17 compiler. CXX chooses another compiler, JOBS the number of processes, SWIRL_ONEDNN=0 builds\n" +
      "without oneDNN, SWIRL_CUDA=0 without CUDA.",
    run: async ({ json }) => {
      const { SWIRL_SKIP_BUILD: _, ...env } = process.env;
      const output = json ? 2 : "inherit"; // stdout is for the JSON object alone
      const { status } = spawnSync(process.execPath, [`${packageRoot}scripts/install.mjs`], {
        env,
        stdio: ["ignore", output, "inherit"],
      });
      if (json) print(JSON.stringify({ built: status === 0 }));
      if (status !== 0) process.exitCode = 1;
    },
  });

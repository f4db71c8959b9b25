#!/usr/bin/env node
/** The command `swirl`. Each subcommand is one file, which loads heavy modules only when it runs. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { SwirlError } from "../errors/swirl-error.js";
import { buildCommand } from "./build.js";
import { compareCommand } from "./compare.js";
import { demoCommand } from "./demo.js";
import { doctorCommand } from "./doctor-command.js";
import { evalCommand } from "./eval.js";
import { filterCommand } from "./filter.js";
import { initCommand } from "./init.js";
import { judgeCommand } from "./judge.js";
import { logprobsCommand } from "./logprobs.js";
import { flushOutput, outputProblem, watchOutput } from "./output.js";
import { stopProgress } from "./progress-bar.js";
import { pullCommand } from "./pull.js";
import { reportError } from "./report-error.js";
import { runCommand } from "./run.js";
import { sftCommand } from "./sft.js";
import { solveCommand } from "./solve.js";
import { synthesizeCommand } from "./synthesize.js";
import { trainCommand } from "./train.js";
import { viewCommand } from "./view.js";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const program = new Command("swirl")
  .description("Step-wise reinforcement learning (SWiRL) for multi-step reasoning and tool use")
  .version(version)
  .showHelpAfterError("(swirl --help, or swirl COMMAND --help)")
  .showSuggestionAfterError(true)
  .addHelpText("after", "\nA first look, without any download: swirl demo");

const subcommands = [
  demoCommand,
  initCommand,
  pullCommand,
  runCommand,
  sftCommand,
  synthesizeCommand,
  judgeCommand,
  filterCommand,
  trainCommand,
  evalCommand,
  compareCommand,
  viewCommand,
  solveCommand,
  logprobsCommand,
  buildCommand,
  doctorCommand,
];
for (const subcommand of subcommands) program.addCommand(subcommand());
for (const command of [program, ...program.commands])
  command.exitOverride((error) => {
    throw error;
  });

watchOutput();
process.on("uncaughtException", (error) => {
  stopProgress();
  process.exit(reportError(error));
});
try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
await flushOutput();
const problem = outputProblem();
if (problem && problem.code !== "EPIPE")
  process.exitCode = reportError(
    new SwirlError("INPUT", `the results could not be written to stdout (${problem.message})`, {
      remedy: "free disk space, or send the output elsewhere; files in the run directory are not affected",
    }),
  );
// A socket that is kept open for reuse, say of a judge's server, must not keep a finished command waiting.
process.exit();

#!/usr/bin/env node
/** The command `swirl`. Verbs are one file each; what is heavy is loaded when a verb runs. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { SwirlError } from "../errors/swirl-error.js";
import { buildVerb } from "./build.js";
import { demoVerb } from "./demo.js";
import { doctorVerb } from "./doctor-verb.js";
import { evalVerb } from "./eval.js";
import { filterVerb } from "./filter.js";
import { judgeVerb } from "./judge.js";
import { logprobsVerb } from "./logprobs.js";
import { flushOutput, outputProblem, watchOutput } from "./output.js";
import { stopProgress } from "./progress-bar.js";
import { reportError } from "./report-error.js";
import { runVerb } from "./run.js";
import { sftVerb } from "./sft.js";
import { solveVerb } from "./solve.js";
import { synthesizeVerb } from "./synthesize.js";
import { trainVerb } from "./train.js";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const program = new Command("swirl")
  .description("Step-wise reinforcement learning (SWiRL) for multi-step reasoning and tool use")
  .version(version)
  .showHelpAfterError("(swirl --help, or swirl VERB --help)")
  .showSuggestionAfterError(true)
  .addHelpText("after", "\nA first look, without any download: swirl demo");

const verbs = [
  demoVerb,
  runVerb,
  sftVerb,
  synthesizeVerb,
  judgeVerb,
  filterVerb,
  trainVerb,
  evalVerb,
  solveVerb,
  logprobsVerb,
  buildVerb,
  doctorVerb,
];
for (const verb of verbs) program.addCommand(verb());
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

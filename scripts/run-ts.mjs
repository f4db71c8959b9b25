// Runs a TypeScript file of this repository: `node scripts/run-ts.mjs bench/peers/main.ts --smoke`.
// Node 20 does not read TypeScript; vite's module runner, which vitest brings, does.
import { resolve } from "node:path";
import { runnerImport } from "vite";

const [file] = process.argv.splice(2, 1);
if (!file) throw new Error("usage: node scripts/run-ts.mjs FILE.ts [ARGUMENTS]");
// Without a target `await using` would reach Node 20 as it stands.
await runnerImport(resolve(file), { configFile: false, logLevel: "error", oxc: { target: "node20" } });

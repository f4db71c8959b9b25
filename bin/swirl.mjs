#!/usr/bin/env node
// The command `swirl`. A clone has no dist/ until it is built, which package managers that block install scripts skip.
import { existsSync } from "node:fs";

const main = new URL("../dist/cli/main.js", import.meta.url);
if (existsSync(main)) await import(main.href);
else {
  console.error("swirl: this clone is not built yet. Build it with: node scripts/install.mjs");
  process.exitCode = 1;
}

// Copies what `swirl view` shows its page with from node_modules into view/vendor/, as modules that import each other
// by path: the page has no build step and no import map, which its Content-Security-Policy would refuse.
// `--check` only compares.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const root = new URL("../", import.meta.url);
const read = (path) => readFileSync(new URL(`node_modules/${path}`, root), "utf8");
const version = (name) => JSON.parse(read(`${name}/package.json`)).version;
const withoutMap = (text) => text.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "\n");
const head = (name, license) => `/*! ${name} ${version(name)}, ${license}: see LICENSES */\n`;

const licenses = ["preact", "htm", "uplot"]
  .map((name) => `${name} ${version(name)}\n\n${read(`${name}/LICENSE`).trim()}\n`)
  .join(`\n${"-".repeat(80)}\n\n`);

/** @type {Record<string, string>} */
const files = {
  "preact.js": head("preact", "MIT") + withoutMap(read("preact/dist/preact.mjs")),
  "hooks.js":
    head("preact", "MIT") +
    withoutMap(read("preact/hooks/dist/hooks.mjs")).replace('from"preact"', 'from"./preact.js"'),
  "htm.js": head("htm", "Apache-2.0") + withoutMap(read("htm/dist/htm.mjs")),
  "uplot.js": `${head("uplot", "MIT")}${withoutMap(read("uplot/dist/uPlot.iife.min.js"))}\nexport default uPlot;\n`,
  "uplot.css": head("uplot", "MIT") + read("uplot/dist/uPlot.min.css"),
  LICENSES: licenses,
};

const folder = new URL("view/vendor/", root);
mkdirSync(folder, { recursive: true });
const check = process.argv.includes("--check");
const stale = [];
for (const [name, text] of Object.entries(files)) {
  const target = new URL(name, folder);
  if (!check) writeFileSync(target, text);
  else if (readFileSync(target, "utf8") !== text) stale.push(name);
}
if (stale.length > 0) {
  console.error(
    `view/vendor: ${stale.join(", ")} differ from node_modules: run node scripts/vendor-view.mjs`,
  );
  process.exitCode = 1;
}

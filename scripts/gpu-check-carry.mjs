// Packs what scripts/gpu-check needs in addition to the repository for its JavaScript part, where the GPU machine has no Node and
// no network: `node scripts/gpu-check-carry.mjs FILE.tar.xz`. In it: this Node binary, the packages that run the tests
// and benchmarks, and build/Release/swirl.node. Unpack it in the repository's root: `tar -xf FILE.tar.xz`.
//
// The addon must load there: build it with SWIRL_ONEDNN=0 where that machine has no oneDNN.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(fileURLToPath(new URL("..", import.meta.url)));
const out = process.argv[2];
if (!out) throw new Error("usage: node scripts/gpu-check-carry.mjs FILE.tar.xz");
const addon = "build/Release/swirl.node";
if (!existsSync(join(root, addon))) throw new Error(`${addon} is not there: SWIRL_ONEDNN=0 npm install`);

/** Every installed package that these need, by folder; optional ones where this platform has them. */
function packages(names) {
  const found = new Set();
  const visit = (name, above) => {
    const places = [join(above, "node_modules", name), join("node_modules", name)];
    const folder = places.find((place) => existsSync(join(root, place, "package.json")));
    if (!folder || found.has(folder)) return;
    found.add(folder);
    const { dependencies, optionalDependencies } = JSON.parse(
      readFileSync(join(root, folder, "package.json"), "utf8"),
    );
    for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) visit(next, folder);
  };
  for (const name of names) {
    visit(name, "");
    if (!found.has(join("node_modules", name)))
      throw new Error(`node_modules/${name} is not there: npm install`);
  }
  return [...found];
}

mkdirSync(join(root, ".cache/carry"), { recursive: true });
const node = ".cache/carry/node";
copyFileSync(process.execPath, join(root, node));
try {
  execFileSync("strip", [join(root, node)]);
} catch {
  // larger, and just as good
}
const carried = [node, addon, ...packages(["vite", "vitest", "zod", "tinybench"])];
execFileSync("tar", ["-C", root, "--exclude=*.map", "--exclude=*.d.ts", "-cJf", out, ...carried], {
  stdio: "inherit",
  env: { ...process.env, XZ_OPT: process.env.XZ_OPT ?? "-6" },
});
rmSync(join(root, node));
console.log(`${out}: ${(statSync(out).size / 1e6).toFixed(1)} MB, ${carried.length - 2} packages`);

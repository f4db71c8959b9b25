// The addon under AddressSanitizer and UndefinedBehaviorSanitizer, driven from Node: `node scripts/sanitized-addon.mjs`
// builds it into build-sanitized/ (kernels without vector instructions, -O1, so that it takes a minute) and runs the
// native suites that are most at risk. Other suites: name them. Linux with GCC; `npm run test:sanitized` has the rest.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildAddon, findCompiler } from "./native-build.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const out = join(root, "build-sanitized", "addon", "swirl.node");
const suites = ["engine-calls", "bad-input", "kv-cache", "token-limits", "finite-weights", "memory-budget"];
const named = process.argv.slice(2);

const flags = "-fsanitize=address,undefined -fno-sanitize-recover=undefined";
process.env.CPPFLAGS = `${process.env.CPPFLAGS ?? ""} -DSWIRL_PLAIN_ONLY`;
process.env.CXXFLAGS = `${process.env.CXXFLAGS ?? ""} -O1 -g1 -fno-omit-frame-pointer ${flags}`;
process.env.LDFLAGS = `${process.env.LDFLAGS ?? ""} ${flags}`;
process.env.SWIRL_ONEDNN = "0";
mkdirSync(dirname(out), { recursive: true });
const begun = performance.now();
const compiled = await buildAddon({ out, jobs: availableParallelism() });
console.log(`${compiled} files compiled in ${Math.round((performance.now() - begun) / 1000)} s`);

// The runtime must be there before Node's own allocations.
const [command, ...first] = findCompiler();
const library = (name) =>
  execFileSync(command, [...first, `-print-file-name=${name}`], { encoding: "utf8" }).trim();
const { status } = spawnSync(
  process.execPath,
  [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    "run",
    ...["--maxWorkers", "1", "--testTimeout", "120000", "--hookTimeout", "120000"],
    ...(named.length > 0 ? named : suites.map((name) => `tests/native/${name}.test.ts`)),
  ],
  {
    cwd: root,
    stdio: "inherit",
    env: {
      ...process.env,
      SWIRL_ADDON: out,
      LD_PRELOAD: `${library("libasan.so")} ${library("libubsan.so")}`,
      ASAN_OPTIONS: "detect_leaks=0:allocator_may_return_null=1:alloc_dealloc_mismatch=0",
      UBSAN_OPTIONS: "print_stacktrace=1",
    },
  },
);
process.exitCode = status ?? 1;

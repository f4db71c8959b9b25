// The `install` script: builds the CPU addon into build/Release/swirl.node with node-gyp, and beside it the CUDA module
// where nvcc is found. Works offline when Node's headers lie beside the running Node. SWIRL_SKIP_BUILD=1 skips;
// SWIRL_ONEDNN=0 builds without oneDNN, SWIRL_CUDA=0 without CUDA. An addon that does not build says what to install and
// exits non-zero; a CUDA module that does not build says why, and the install goes on with the CPU.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { architectures, compileModule, findNvcc, isFresh } from "./cuda-compile.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

const remedy = `
swirl-rl: the native engine did not build. It needs a C++17 compiler, make and Python 3:
  Debian, Ubuntu   apt-get install g++ make python3        (and libdnnl-dev for faster matrix products)
  Fedora           dnf install gcc-c++ make python3        (and onednn-devel)
  Arch             pacman -S gcc make python               (and onednn)
Without network, Node's headers must lie beside Node (<prefix>/include/node); official Node archives bring them.
Then: npm rebuild swirl-rl   (in a clone: npm install).  SWIRL_ONEDNN=0 builds without oneDNN, SWIRL_SKIP_BUILD=1
installs without the engine.
`;

/** The prefix whose include/node holds the running Node's headers, or undefined. */
function headersBesideNode() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, "include/node/node_api.h")) ? prefix : undefined;
}

function build() {
  const nodeGyp = createRequire(import.meta.url).resolve("node-gyp/bin/node-gyp.js");
  const jobs = process.env.JOBS ?? String(Math.min(8, availableParallelism()));
  const nodedir = headersBesideNode();
  // gyp keeps track of changed flags, so building again after another choice of oneDNN recompiles what it must.
  const args = [nodeGyp, "configure", "build", "--release", "--jobs", jobs];
  if (nodedir !== undefined) args.push("--nodedir", nodedir);
  const run = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  return run.status === 0 && existsSync(join(root, "build/Release/swirl.node"));
}

async function buildCuda() {
  const nvcc = process.env.SWIRL_CUDA === "0" ? undefined : findNvcc();
  const out = join(root, "build/Release/swirl_cuda.so");
  if (nvcc === undefined || isFresh(out)) return;
  const jobs = Number(process.env.JOBS ?? availableParallelism());
  console.log(
    `swirl-rl: compiling the CUDA module with ${nvcc} for ${architectures.join(", ")} (a minute or two)`,
  );
  try {
    await compileModule({ nvcc, out, jobs, strict: false });
  } catch (error) {
    console.error(
      `swirl-rl: the CUDA module did not build, so there will be no GPU; SWIRL_CUDA=0 leaves it out.\n${error.stderr || error.message}`,
    );
  }
}

if (process.env.SWIRL_SKIP_BUILD === "1") {
  console.log(
    "swirl-rl: SWIRL_SKIP_BUILD=1, the native engine is not built; only endpoints can be policies.",
  );
} else if (!build()) {
  console.error(remedy);
  process.exit(1);
} else {
  await buildCuda();
}

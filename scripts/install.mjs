// Builds what an installed package lacks. In a clone that is dist/. Everywhere it is the native engine: the addon
// build/Release/swirl.node, and next to it the CUDA module where nvcc is found. `npm install` runs this file, and so
// does `npx swirl build` where a package manager blocks install scripts. A current engine is not built again.
// SWIRL_SKIP_BUILD=1 skips the engine; SWIRL_ONEDNN=0 builds it without oneDNN, SWIRL_CUDA=0 without CUDA. A failure
// exits with 1 and says what to do; a CUDA module that fails leaves an engine for the CPU.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { architectures, compileModule, findNvcc, isFresh } from "./cuda-compile.mjs";
import { BuildError, buildAddon, sources } from "./native-build.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const out = join(root, "build/Release/swirl.node");
const quoted = (path) => (/^[\w./@+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);
const again = `Then run: node ${quoted(fileURLToPath(import.meta.url))}`;
const asked = Math.max(0, Number(process.env.JOBS) || 0);
const jobs = asked || Math.min(8, availableParallelism());

const remedies = {
  compiler: `The engine needs a C++17 compiler:
  Debian, Ubuntu   apt-get install g++             (and libdnnl-dev for a second matrix library)
  Fedora           dnf install gcc-c++             (and onednn-devel)
  Arch             pacman -S gcc                   (and onednn)
  macOS            xcode-select --install
${again}`,
  source: `The compiler is there, but fails. The engine is tested with GCC 12; CXX=… chooses another compiler, and Clang needs
OpenMP as well (Debian: apt-get install libomp-dev). If that is not the cause, please report the lines above.
${again}`,
  memory: `The machine ran out of memory while compiling. JOBS=1 compiles one file at a time. ${again}`,
  EACCES: `The folder cannot be written by this user. Change its owner, or install into a folder of your own. ${again}`,
};
remedies.link = remedies.source;
remedies.MODULE_NOT_FOUND = `The package's dependencies are not installed. In a clone: npm ci`;
remedies.EROFS = remedies.EPERM = remedies.EACCES;

async function buildEngine() {
  let compiled = 0;
  const begin = (files, compiler) => {
    compiled = files;
    console.log(`swirl-rl: compiling the engine with ${compiler}: ${files} files, ${jobs} at a time`);
  };
  const attempt = async (fresh) => {
    await buildAddon({ out, jobs, begin, fresh });
    const loaded = spawnSync(process.execPath, ["-e", "require(process.argv[1])", out], { encoding: "utf8" });
    if (loaded.status !== 0) throw new BuildError("link", `The engine does not load:\n${loaded.stderr}`);
  };
  try {
    await attempt(false);
  } catch (error) {
    // Objects that were kept may come from another system that shares this folder.
    if (error.kind !== "link" || compiled === sources().length) throw error;
    await attempt(true);
  }
}

async function buildCuda() {
  const nvcc = process.env.SWIRL_CUDA === "0" ? undefined : findNvcc();
  const module = join(root, "build/Release/swirl_cuda.so");
  if (nvcc === undefined || isFresh(module)) return;
  console.log(
    `swirl-rl: compiling the CUDA module with ${nvcc} for ${architectures.join(", ")} (a minute or two)`,
  );
  try {
    await compileModule({ nvcc, out: module, jobs: asked || availableParallelism(), strict: false });
  } catch (error) {
    console.error(
      `swirl-rl: the CUDA module did not build, so no GPU can be used; SWIRL_CUDA=0 leaves it out.\n${error.stderr || error.message}`,
    );
  }
}

/** Compiles src/ into dist/, in a clone: always when npm installs it, else when dist/ is missing. */
function buildTypeScript() {
  if (!existsSync(join(root, "src"))) return;
  if (process.env.npm_lifecycle_event !== "install" && existsSync(join(root, "dist/cli/main.js"))) return;
  console.log("swirl-rl: compiling src/ into dist/");
  let compiler;
  try {
    compiler = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  } catch {
    throw new Error(
      "TypeScript is not installed. A clone needs its development packages: npm ci --include=dev",
    );
  }
  const { status, stdout } = spawnSync(
    process.execPath,
    [compiler, "-p", join(root, "tsconfig.build.json")],
    {
      encoding: "utf8",
    },
  );
  if (status !== 0) throw new Error(`src/ does not compile:\n${stdout}`);
}

try {
  buildTypeScript();
  if (process.env.SWIRL_SKIP_BUILD === "1") {
    console.log(
      "swirl-rl: SWIRL_SKIP_BUILD=1: the native engine is not built, so only endpoints can be policies. `npx swirl build` builds it.",
    );
  } else {
    await buildEngine();
    await buildCuda();
    console.log(`swirl-rl: the engine is ready: ${out}`);
  }
} catch (error) {
  const remedy = remedies[error instanceof BuildError ? error.kind : error.code] ?? again;
  console.error(`swirl-rl: the build failed.\n${error.message}\n\n${remedy}\n`);
  process.exitCode = 1;
}

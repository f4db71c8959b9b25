// Compiles the CPU addon with the C++ compiler alone: no make, Python or download, and any folder name works, because
// each path is one argument of a process and no build file quotes it. Node-API's headers come from npm.
// An object is compiled again when its source, a header it includes, the compiler or a flag changes.
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { inParallel } from "./cuda-compile.mjs";

const require = createRequire(import.meta.url);
const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const words = (text) => (text ?? "").split(" ").filter(Boolean);
const lines = (file) =>
  readFileSync(join(root, file), "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"));
const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs;

/** A build that failed. `kind`: "compiler" (none found), "source" or "link" (it rejected one), "memory" (it was killed). */
export class BuildError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

/** Files matching native/sources.txt, relative to the package root, sorted so that builds are repeatable. */
export function sources() {
  const files = [];
  for (const pattern of lines("native/sources.txt")) {
    const folder = dirname(pattern);
    const suffix = pattern.slice(folder.length + 2); // after "/*"
    for (const name of readdirSync(join(root, folder)).sort())
      if (name.endsWith(suffix) && !name.endsWith("_test.cc")) files.push(`${folder}/${name}`);
  }
  return files;
}

/** The compiler as a command and its first arguments: CXX, which may be "ccache g++", or the first on the PATH. */
export function findCompiler() {
  const chosen = process.env.CXX?.trim();
  if (chosen) return modified(chosen) === undefined ? words(chosen) : [chosen];
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  for (const name of ["c++", "g++", "clang++"])
    if (folders.some((folder) => modified(join(folder, name)) !== undefined)) return [name];
  throw new BuildError("compiler", "no c++, g++ or clang++ is on the PATH, and CXX is not set");
}

/** The first line of `--version`: proof that the compiler runs, and part of what decides whether objects are current. */
function compilerVersion([command, ...first]) {
  try {
    return execFileSync(command, [...first, "--version"], { encoding: "utf8", stdio: "pipe" }).split("\n")[0];
  } catch (error) {
    throw new BuildError("compiler", `${[command, ...first].join(" ")} --version failed: ${error.message}`);
  }
}

/** Whether a program that uses oneDNN's C API compiles and links. SWIRL_ONEDNN=0 says no without trying. */
export function hasOneDnn([command, ...first] = findCompiler()) {
  if (process.env.SWIRL_ONEDNN === "0") return false;
  const program = "#include <dnnl.h>\nint main() { return dnnl_version()->major < 2; }\n";
  const flags = [...words(process.env.CPPFLAGS), ...words(process.env.CXXFLAGS)];
  const links = [...words(process.env.LDFLAGS), "-ldnnl"];
  try {
    execFileSync(command, [...first, ...flags, "-x", "c++", "-", "-o", "/dev/null", ...links], {
      input: program,
      stdio: ["pipe", "ignore", "ignore"],
    });
    return true;
  } catch {
    return false;
  }
}

const mac = process.platform === "darwin";

/** Flags of every compilation. Keep them equal to those of CMakeLists.txt: they decide the bits of a result. */
function compileFlags(version, oneDnn) {
  const defines = [
    ...lines("bindings/defines.txt"),
    `SWIRL_VERSION="${version}"`,
    ...(oneDnn ? ["SWIRL_ONEDNN=1"] : []),
  ];
  const headers = [dirname(require.resolve("node-addon-api")), require("node-api-headers").include_dir];
  return [
    ...["-std=c++17", "-O3", "-fPIC", "-pthread", "-fno-math-errno", "-fvisibility=hidden"],
    ...(mac ? ["-mmacosx-version-min=11.0"] : ["-fopenmp"]),
    ...["-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-maybe-uninitialized"],
    ...defines.map((define) => `-D${define}`),
    ...headers.flatMap((folder) => ["-isystem", folder]),
    "-I.",
    ...words(process.env.CPPFLAGS),
    ...words(process.env.CXXFLAGS),
  ];
}

/** Whether `object` is newer than every file that the compiler listed in `object`.d. Their paths start at the root. */
function isCurrent(object) {
  const built = modified(object);
  if (built === undefined || modified(`${object}.d`) === undefined) return false;
  const rule = readFileSync(`${object}.d`, "utf8").replaceAll("\\\n", " ");
  const files = words(rule.slice(rule.indexOf(": ") + 2).replaceAll(/\s+/g, " "));
  return files.every((file) => (modified(join(root, file)) ?? Infinity) <= built);
}

/** Runs the compiler in the package root. Its warnings are printed; a failure holds its first lines. */
async function runCompiler([command, ...first], args, kind, what = kind) {
  try {
    const { stderr } = await promisify(execFile)(command, [...first, ...args], {
      cwd: root,
      maxBuffer: 2 ** 28,
    });
    if (stderr) process.stderr.write(stderr);
  } catch (error) {
    const killed =
      error.signal === "SIGKILL" || /Killed signal|out of memory|bad_alloc/.test(error.stderr ?? "");
    const lines = (error.stderr || error.message).split("\n").slice(0, 40).join("\n");
    throw new BuildError(killed ? "memory" : kind, `${what}:\n${lines}`);
  }
}

/**
 * Builds the addon at `out`, an absolute path, with objects in a folder next to it. Returns how many files were
 * compiled: 0 when `out` was current. `begin` is called once with that number and the compiler when it is not 0. `fresh`
 * compiles every file.
 * Throws BuildError, and file system errors where `out` cannot be written.
 */
export async function buildAddon({ out, jobs, begin = () => {}, fresh = false }) {
  const compiler = findCompiler();
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const oneDnn = hasOneDnn(compiler);
  const flags = compileFlags(version, oneDnn);
  const links = [
    ...(mac ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared", "-fopenmp"]),
    ...["-pthread", ...words(process.env.LDFLAGS), ...(oneDnn ? ["-ldnnl"] : [])],
  ];

  const folder = join(dirname(out), "addon-objects");
  const command = [process.arch, ...compiler, compilerVersion(compiler), ...flags, ...links].join("\n");
  const stamp = join(folder, "command");
  if (fresh || modified(stamp) === undefined || readFileSync(stamp, "utf8") !== command) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(stamp, command);
  }

  const all = sources().map((source) => ({
    source,
    object: join(folder, `${source.replaceAll("/", "-")}.o`),
  }));
  const stale = all.filter(({ object }) => !isCurrent(object));
  if (stale.length > 0) begin(stale.length, compiler.join(" "));
  await inParallel(
    stale.map(({ source, object }) => async () => {
      const outputs = ["-MMD", "-MF", `${object}.d.new`, "-c", source, "-o", `${object}.new`];
      await runCompiler(compiler, [...flags, ...outputs], "source", source);
      renameSync(`${object}.d.new`, `${object}.d`);
      renameSync(`${object}.new`, object);
    }),
    jobs,
  );
  const objects = all.map(({ object }) => object);
  // What `out` was made of, and when: a source may be removed, and binding.gyp's build writes the same file.
  const linked = join(folder, "linked");
  const contents = () => [modified(out), ...objects].join("\n");
  if (stale.length > 0 || modified(linked) === undefined || readFileSync(linked, "utf8") !== contents()) {
    // A process may have the old file open: replace it instead of writing into it.
    await runCompiler(compiler, [...objects, ...links, "-o", `${out}.new`], "link");
    renameSync(`${out}.new`, out);
    writeFileSync(linked, contents());
  }
  return stale.length;
}

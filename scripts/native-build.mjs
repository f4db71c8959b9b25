// What binding.gyp asks while it is read: the sources, the version, and how to use oneDNN here.
// Prints plain words for gyp's command expansion; `node scripts/native-build.mjs sources | version | onednn`.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Files matching native/sources.txt, relative to the package root, sorted so that builds are repeatable. */
export function sources() {
  const files = [];
  for (const line of readFileSync(join(root, "native/sources.txt"), "utf8").split("\n")) {
    const pattern = line.trim();
    if (pattern === "" || pattern.startsWith("#")) continue;
    const folder = dirname(pattern);
    const suffix = pattern.slice(folder.length + 2); // after "/*"
    let names = [];
    try {
      names = readdirSync(join(root, folder));
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
    }
    for (const name of names.sort())
      if (name.endsWith(suffix) && !name.endsWith("_test.cc")) files.push(`${folder}/${name}`);
  }
  return files;
}

/** Whether a program against oneDNN's C API compiles and links. SWIRL_ONEDNN=0 says no without asking. */
export function hasOneDnn() {
  if (process.env.SWIRL_ONEDNN === "0") return false;
  const compiler = (process.env.CXX ?? "c++").split(" ");
  const program = "#include <dnnl.h>\nint main() { return dnnl_version()->major < 2; }\n";
  const flags = (process.env.CXXFLAGS ?? "").split(" ").filter(Boolean);
  const links = (process.env.LDFLAGS ?? "").split(" ").filter(Boolean);
  try {
    execFileSync(
      compiler[0],
      [...compiler.slice(1), ...flags, "-x", "c++", "-", "-o", "/dev/null", ...links, "-ldnnl"],
      { input: program, stdio: ["pipe", "ignore", "ignore"] },
    );
    return true;
  } catch {
    return false;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const asked = process.argv[2];
  if (asked === "sources") console.log(sources().join("\n"));
  else if (asked === "version")
    console.log(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version);
  else if (asked === "onednn") console.log(hasOneDnn() ? 1 : 0);
  else
    throw new Error(`native-build.mjs: asked for ${JSON.stringify(asked)}; knows sources, version, onednn`);
}

/**
 * scripts/install.mjs, which builds the engine under every package manager, on a package of one small source file in a
 * folder whose name no shell or make would take. tests/e2e/package.test.ts builds the whole engine.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, expect, it } from "vitest";
import { buildCommand } from "../../src/native/load-addon.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const clone = fileURLToPath(new URL("../../", import.meta.url));
const source = `#include <napi.h>
#include "native/answer.h"
static Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("answer", Napi::Number::New(env, ANSWER));
  return exports;
}
NODE_API_MODULE(swirl, init)
`;

let root: string;
let addon: string;

beforeEach(() => {
  root = join(temporaryFolder(), "Zoë's (old) #1 $HOME: projects");
  addon = join(root, "build/Release/swirl.node");
  mkdirSync(join(root, "native"), { recursive: true });
  cpSync(join(clone, "scripts"), join(root, "scripts"), { recursive: true });
  symlinkSync(join(clone, "node_modules"), join(root, "node_modules"));
  writeFileSync(join(root, "package.json"), JSON.stringify({ version: "1.2.3", type: "module" }));
  mkdirSync(join(root, "bindings"));
  cpSync(join(clone, "bindings/defines.txt"), join(root, "bindings/defines.txt"));
  writeFileSync(join(root, "native/sources.txt"), "native/*.cc\n");
  writeFileSync(join(root, "native/addon.cc"), source);
  writeFileSync(join(root, "native/answer.h"), "#define ANSWER 42\n");
});

function install(
  env: NodeJS.ProcessEnv = {},
  command = [process.execPath, join(root, "scripts/install.mjs")],
) {
  const { CXXFLAGS: _, LDFLAGS: __, ...outer } = process.env;
  const { status, stdout, stderr } = spawnSync(command[0]!, command.slice(1), {
    env: { ...outer, SWIRL_CUDA: "0", SWIRL_ONEDNN: "0", ...env },
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

const answer = () => {
  const script = "console.log(require(process.argv[1]).answer)";
  return Number(spawnSync(process.execPath, ["-e", script, addon], { encoding: "utf8" }).stdout);
};

const change = (path: string, text: string) => writeFileSync(join(root, path), text);

it("builds in a folder with blanks, quotes and other characters, and only what changed after that", () => {
  expect(install()).toMatchObject({ status: 0, stderr: "" });
  expect(answer()).toBe(42);
  expect(install().stdout).not.toContain("compiling");

  change("native/answer.h", "#define ANSWER 43\n");
  expect(install().stdout).toContain("1 files");
  expect(answer()).toBe(43);

  change("build/Release/swirl.node", "another build"); // as binding.gyp's, with other flags
  expect(install()).toMatchObject({ status: 0, stdout: expect.not.stringContaining("compiling") });
  expect(answer()).toBe(43);

  expect(install({ CXXFLAGS: "-DNDEBUG" }).stdout).toContain("1 files"); // another flag
});

it("builds again what was built on another system", () => {
  expect(install().status).toBe(0);
  change("build/Release/addon-objects/native-addon.cc.o", "no object of this system");
  change("build/Release/swirl.node", "no library of this system");
  expect(install()).toMatchObject({ status: 0, stdout: expect.stringContaining("1 files") });
  expect(answer()).toBe(42);
});

it("tells a missing compiler from a file that does not compile, and names the command that tries again", () => {
  const missing = install({ CXX: "no-such-compiler" });
  expect(missing).toMatchObject({ status: 1, stderr: expect.stringContaining("apt-get install g++") });

  change("native/answer.h", "#define ANSWER fortytwo\n");
  const rejected = install();
  expect(rejected).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/native\/addon\.cc.*fortytwo/s),
  });
  expect(rejected.stderr).not.toContain("apt-get install g++");

  change("native/answer.h", "#define ANSWER 44\n");
  const command = /Then run: (.*)/.exec(rejected.stderr)![1]!;
  expect(install({}, ["sh", "-c", command]).status).toBe(0);
  expect(answer()).toBe(44);
});

it("skips the engine when asked to, and says what that means", () => {
  const { status, stdout } = install({ SWIRL_SKIP_BUILD: "1" });
  expect(status).toBe(0);
  expect(stdout).toContain("only endpoints can be policies");
});

it("swirl says how to build a clone that no install script built", () => {
  cpSync(join(clone, "bin"), join(root, "bin"), { recursive: true });
  chmodSync(join(root, "bin/swirl.mjs"), 0o755);
  const { status, stderr } = spawnSync(join(root, "bin/swirl.mjs"), ["doctor"], { encoding: "utf8" });
  expect(status).toBe(1);
  expect(stderr).toContain("node scripts/install.mjs");
});

it("the loader's advice is one command that a shell runs as it is", () => {
  expect(install({}, ["sh", "-c", buildCommand(`${root}/`)])).toMatchObject({ status: 0, stderr: "" });
  expect(answer()).toBe(42);
});

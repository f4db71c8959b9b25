/**
 * The package as another TypeScript project sees it: packed, unpacked into node_modules, type-checked and run.
 *
 * The native engine is the one of this clone and the dependencies are links to this clone's, so that it takes seconds
 * and no network. With SWIRL_PACKAGE_INSTALL=1 (in .ci/run) npm installs the tarball, and builds the engine from it.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, it } from "vitest";
import { loadAddonFrom } from "../../src/native/load-addon.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const install = process.env.SWIRL_PACKAGE_INSTALL === "1";
const consumer = readFileSync(new URL("./consumer/main.ts", import.meta.url), "utf8");

let project: string;
let packed: string[];

const run = (command: string, args: string[], env: NodeJS.ProcessEnv = process.env) =>
  execFileSync(command, args, { cwd: project, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

beforeAll(() => {
  project = join(temporaryFolder(), "Zoë's project"); // what a path may hold, a build must take
  mkdirSync(project);
  // dist is there: `npm install` and `npm test` build it. --ignore-scripts keeps this from building it under others.
  const [report] = JSON.parse(
    execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project], {
      cwd: root,
      encoding: "utf8",
    }),
  );
  packed = report.files.map((file: { path: string }) => file.path);
  const own = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ name: "consumer", private: true, type: "module" }),
  );
  writeFileSync(join(project, "main.ts"), consumer);
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        target: "ES2022",
        lib: ["ES2023", "ESNext.Disposable"],
        module: "NodeNext",
        strict: true,
        exactOptionalPropertyTypes: true,
        types: ["node"],
        skipLibCheck: !install, // checking every dependency's declarations takes half a minute
      },
      include: ["main.ts"],
    }),
  );
  const modules = join(project, "node_modules");
  const link = (name: string) => {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(modules, name));
  };
  if (install) {
    run("npm", ["install", "--no-audit", "--no-fund", `./${report.filename}`]);
  } else {
    mkdirSync(join(modules, own.name), { recursive: true });
    run("tar", ["xzf", report.filename, "--strip-components=1", "-C", join(modules, own.name)]);
    for (const name of Object.keys(own.dependencies)) link(name);
  }
  link("@types/node");
}, 600_000);

it("holds what a build from source needs, and no tests", () => {
  const needed = [
    "native/sources.txt",
    "scripts/install.mjs",
    "scripts/native-build.mjs",
    "bin/swirl.mjs",
    "dist/index.js",
  ];
  expect(packed).toEqual(expect.arrayContaining([...needed, "dist/index.d.ts", "dist/cli/main.js"]));
  // Every source of the addon, and every file those include.
  const tracked = execFileSync("git", ["ls-files", "bindings", "native"], { cwd: root, encoding: "utf8" });
  for (const file of tracked.split("\n").filter((name) => /(?<!_test)\.(cc|h|inl)$/.test(name)))
    expect(packed).toContain(file);
  const unwanted = /[._]test[.-]|^tests\/|^build|\.node$|\.map$|\/(emulator|experiments)\//;
  expect(packed.filter((name) => unwanted.test(name))).toEqual([]);
});

it("type-checks in a strict project", () => {
  expect(() => run(process.execPath, [join(root, "node_modules/typescript/bin/tsc")])).not.toThrow();
  expect(readdirSync(project)).toContain("main.js");
}, 300_000);

it("type-checks with the resolution of bundlers", () => {
  const flags = ["--noEmit", "--module", "ESNext", "--moduleResolution", "Bundler", "--skipLibCheck"];
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  expect(() => run(process.execPath, [compiler, "-p", ".", ...flags])).not.toThrow();
}, 300_000);

it("is imported by CommonJS", () => {
  copyFileSync(join(root, "tests/matrix/require.cjs"), join(project, "require.cjs"));
  expect(run(process.execPath, ["require.cjs"])).toContain("commonjs ran 42");
});

it("runs there", () => {
  const env = { ...process.env };
  if (install) delete env.SWIRL_ADDON;
  else env.SWIRL_ADDON = loadAddonFrom().path;
  expect(run(process.execPath, ["main.js"], env)).toContain("consumer ran");
});

it("brings the swirl command", () => {
  const env = { ...process.env };
  if (install) delete env.SWIRL_ADDON;
  else env.SWIRL_ADDON = loadAddonFrom().path;
  const report = run(process.execPath, ["node_modules/swirl-rl/bin/swirl.mjs", "doctor", "--json"], env);
  expect(JSON.parse(report).addon).not.toBeNull();
});

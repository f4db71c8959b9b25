// npm run test:matrix: which compilers and runtimes the packed package works with. Prints the table of docs/install.md.
//
// In a temporary project it installs the tarball, TypeScript, Node, Bun, Deno and the AI SDK in several versions from
// npm (about 1 GB), type-checks tests/e2e/consumer and tests/matrix, and runs them. The engine is the one of this clone.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { arch, platform, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const project = mkdtempSync(join(tmpdir(), "swirl-matrix-"));
const TYPESCRIPT = ["5.4", "5.6", "5.8", "5.9", "latest"];
const NODE = ["20", "22", "24"];
const AI = ["5", "6", "7"];
const rows = [];

function npm(...args) {
  execFileSync("npm", args, { cwd: project, stdio: ["ignore", "ignore", "inherit"] });
}

/** Runs a command in the project and adds a row; `says`: what its output has to hold. */
function cell(what, version, command, args, says) {
  const env = { ...process.env, SWIRL_ADDON: addon };
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: project, env, encoding: "utf8" });
  const ok = status === 0 && (says === undefined || stdout.includes(says));
  rows.push({ what, version, ok });
  console.log(`${ok ? "ok    " : "FAILED"} ${what}, ${version}`);
  if (!ok) console.log(`${error ?? ""}${stdout}${stderr}`.split("\n").slice(0, 12).join("\n"));
}

const version = (command, args = ["--version"]) =>
  (spawnSync(command, args, { cwd: project, encoding: "utf8" }).stdout ?? "").trim().split("\n")[0];

function tsconfig(resolution, include) {
  const compilerOptions = {
    target: "ES2022",
    lib: ["ES2023", "ESNext.Disposable"],
    ...(resolution === "Bundler"
      ? { module: "ESNext", moduleResolution: "Bundler" }
      : { module: "NodeNext", moduleResolution: "NodeNext" }),
    strict: true,
    exactOptionalPropertyTypes: true,
    types: ["node"],
    skipLibCheck: true,
    outDir: "out",
    rootDir: ".",
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: [include] }));
}

const addon = ["build/Release/swirl.node", "build-native/Release/swirl.node"]
  .map((path) => process.env.SWIRL_ADDON ?? join(root, path))
  .find((path) => existsSync(path));
if (!addon) throw new Error("the engine is not built: node scripts/install.mjs");

try {
  const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project], {
    cwd: root,
    encoding: "utf8",
  });
  const [{ filename }] = JSON.parse(packed);
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ name: "consumer", private: true, type: "module" }),
  );
  mkdirSync(join(project, "out"));
  for (const [from, to] of [
    ["tests/e2e/consumer/main.ts", "main.ts"],
    ["tests/matrix/tools.ts", "tools.ts"],
    ["tests/matrix/require.cjs", "require.cjs"],
  ])
    copyFileSync(join(root, from), join(project, to));
  npm(
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    `./${filename}`,
    "@types/node@20",
    "@modelcontextprotocol/sdk",
    "bun",
    "deno",
    ...TYPESCRIPT.map((tag) => `typescript-${tag}@npm:typescript@${tag}`),
    ...NODE.map((major) => `node-${major}@npm:node-${platform()}-${arch()}@${major}`),
  );
  const tsc = (tag) => [join(project, `node_modules/typescript-${tag}/bin/tsc`)];
  const node = (major) => {
    const path = join(project, `node_modules/node-${major}/bin/node`);
    chmodSync(path, 0o755);
    return path;
  };

  for (const resolution of ["NodeNext", "Bundler"])
    for (const tag of TYPESCRIPT) {
      tsconfig(resolution, "main.ts");
      const name = version(process.execPath, [...tsc(tag), "--version"]).replace("Version ", "TypeScript ");
      cell(`types, ${resolution}`, name, process.execPath, tsc(tag));
    }
  for (const major of AI) {
    npm("install", "--ignore-scripts", "--no-audit", "--no-fund", `ai@${major}`);
    tsconfig("NodeNext", "tools.ts");
    cell("AI SDK and MCP tools, types", `ai ${major}`, process.execPath, tsc("5.9"));
    cell("AI SDK and MCP tools, run", `ai ${major}`, node("24"), ["out/tools.js"], "tools ran");
  }
  for (const major of NODE) {
    const name = `Node ${version(node(major))}`;
    cell("train with the engine", name, node(major), ["out/main.js"], "consumer ran");
    cell("CommonJS", name, node(major), ["require.cjs"], "commonjs ran 42");
    const cli = ["node_modules/swirl-rl/bin/swirl.mjs", "doctor", "--json"];
    cell("swirl doctor", name, node(major), cli, '"matrixLibrary"');
  }
  const bin = (name) => join(project, "node_modules/.bin", name);
  const native = {
    bun: [
      join(project, `node_modules/@oven/bun-${platform()}-${arch() === "arm64" ? "aarch64" : "x64"}/bin/bun`),
      [],
    ],
    deno: [join(project, `node_modules/@deno/${platform()}-${arch()}-glibc/deno`), ["run", "-A"]],
  };
  for (const [name, [path, flags]] of Object.entries(native)) {
    const command = existsSync(path) ? path : bin(name);
    if (existsSync(path)) chmodSync(path, 0o755);
    const label = `${name} ${/[\d.]+/.exec(version(command))?.[0] ?? "?"}`;
    cell("train with the engine", label, command, [...flags, "out/main.js"], "consumer ran");
    cell("CommonJS", label, command, [...flags, "require.cjs"], "commonjs ran 42");
    const cli = ["node_modules/swirl-rl/bin/swirl.mjs", "doctor", "--json"];
    cell("swirl doctor", label, command, [...flags, ...cli], '"matrixLibrary"');
  }

  const whats = [...new Set(rows.map(({ what }) => what))];
  console.log("\n| | works | does not |\n|---|---|---|");
  for (const what of whats) {
    const list = (ok) => rows.filter((row) => row.what === what && row.ok === ok).map((row) => row.version);
    console.log(`| ${what} | ${list(true).join(", ") || "–"} | ${list(false).join(", ") || "–"} |`);
  }
} finally {
  rmSync(project, { recursive: true, force: true });
}
process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1;

/**
 * The peer node-llama-cpp: installed by npm into .cache/bench (it is not a dependency of the package), with the
 * prebuilt library of this platform alone, and started as a process; and its model files in 16 bits, made from a
 * quantized one.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { PeerProcess } from "../peer-process.js";

const version = "3.22.1";
const cache = join(import.meta.dirname, "../../.cache/bench");

export function startLlama(): PeerProcess {
  const folder = join(cache, `node-llama-cpp-${version}`);
  if (!existsSync(join(folder, "node_modules/node-llama-cpp"))) install(folder);
  return new PeerProcess("node-llama-cpp", process.execPath, [
    join(import.meta.dirname, "llama.mjs"),
    folder,
  ]);
}

function install(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), `${JSON.stringify({ private: true })}\n`);
  const platform = `${{ linux: "linux", darwin: "mac", win32: "win" }[process.platform as string]}-${process.arch}${process.platform === "darwin" && process.arch === "arm64" ? "-metal" : ""}`;
  const packages = [`node-llama-cpp@${version}`, `@node-llama-cpp/${platform}@${version}`];
  // Without its optional packages there is no CUDA or Vulkan library, 640 MB; without scripts nothing is compiled.
  const flags = ["--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"];
  execFileSync("npm", ["install", ...flags, ...packages], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** The model file in 16 bits, made once. */
export function converted(gguf: string, kind: "BF16" | "F16", python: string): string {
  mkdirSync(cache, { recursive: true });
  const out = join(cache, `${basename(gguf).replace(/(\.[A-Z0-9_]+)?\.gguf$/, "")}.${kind}.gguf`);
  if (!existsSync(out))
    execFileSync(python, [join(import.meta.dirname, "convert_gguf.py"), gguf, out, kind], {
      stdio: "inherit",
    });
  return out;
}

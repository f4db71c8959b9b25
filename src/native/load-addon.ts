/**
 * Finds and loads the native addon, once per environment (main thread or worker).
 *
 * SWIRL_ADDON names the file; otherwise the newest of the two builds is taken: build/Release (scripts/install.mjs) or
 * build-native/Release (npm run build:native, CMake). When none loads, the message holds the error of every attempt.
 */

import { statSync } from "node:fs";
import { createRequire } from "node:module";
import { messageOf } from "../errors/message-of.js";
import { SwirlError } from "../errors/swirl-error.js";
import { packageRoot, packageVersion } from "../version.js";
import type { NativeAddon } from "./addon.js";

const require = createRequire(import.meta.url);

/**
 * The one command that builds the engine. It names the script instead of a package manager, because npm 12, pnpm and
 * Yarn do not run install scripts unless they are approved, and then their `rebuild` succeeds without building.
 */
export function buildCommand(root = packageRoot): string {
  if (process.versions.pnp) return "yarn swirl build"; // only Yarn's own Node finds the headers in its archives
  const script = `${root}scripts/install.mjs`;
  return `node ${/^[\w./@+-]+$/.test(script) ? script : `'${script.replaceAll("'", "'\\''")}'`}`;
}

const buildRemedy = () =>
  `build it with: ${buildCommand()}\n    It needs a C++17 compiler, on Debian: apt-get install g++`;

/** Where the addon may be, best first. */
export function addonPaths(): string[] {
  const chosen = process.env.SWIRL_ADDON;
  if (chosen) return [chosen];
  return ["build/Release/swirl.node", "build-native/Release/swirl.node"]
    .map((path) => packageRoot + path)
    .map((path) => ({ path, time: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.time - a.time)
    .map(({ path }) => path);
}

export interface LoadedAddon {
  addon: NativeAddon;
  path: string;
}

let loaded: LoadedAddon | undefined;

/**
 * OpenMP reads these once, when the addon loads it. Its default is to spin for milliseconds at every barrier, which
 * on a machine whose cores are shared costs up to ten times the work itself; a short spin costs an idle machine a few
 * percent at most (docs/lab-notes.md). A user's own setting is kept.
 */
function waitBriefly(): void {
  if (process.env.OMP_WAIT_POLICY || process.env.GOMP_SPINCOUNT) return;
  process.env.GOMP_SPINCOUNT = "1000";
}

/** The raw addon and the file it came from. Throws DEVICE with every load error and the remedy. */
export function loadAddonFrom(): LoadedAddon {
  if (loaded) return loaded;
  const problems: string[] = [];
  const paths = addonPaths();
  waitBriefly();
  for (const path of paths) {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) {
      problems.push(`${path}: not there`);
      continue;
    }
    try {
      const addon = require(path) as NativeAddon;
      if (addon.version !== packageVersion) {
        problems.push(`${path}: built from version ${addon.version}, the package is ${packageVersion}`);
        continue;
      }
      loaded = { addon, path };
      return loaded;
    } catch (error) {
      problems.push(`${path}: ${messageOf(error)}`);
    }
  }
  throw new SwirlError("DEVICE", `the native engine could not be loaded:\n  ${problems.join("\n  ")}`, {
    remedy: process.env.SWIRL_ADDON
      ? `SWIRL_ADDON is set to ${process.env.SWIRL_ADDON}; unset it, or ${buildRemedy()}`
      : buildRemedy(),
    details: { paths, problems },
  });
}

export function loadAddon(): NativeAddon {
  return loadAddonFrom().addon;
}

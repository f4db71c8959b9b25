// Kills its own process at the n-th change of a file or folder: `node --import kill-at.mjs program`, with n in KILL_AT.
// A write is killed half way, anything else (fsync, rename, mkdir, …) before it happens or after it, in turns. Without
// KILL_AT the changes are counted, and KILL_COUNT names a file that gets their number.
import fs, { writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { fileURLToPath } from "node:url";

const killAt = Number(process.env.KILL_AT ?? 0);
const countFile = process.env.KILL_COUNT;
let changes = 0;

const die = () => process.kill(process.pid, "SIGKILL");

/** Replaces object[name]; `half` does a part of a write. */
function watch(object, name, half) {
  const original = object[name];
  object[name] = function (...args) {
    const fatal = ++changes === killAt;
    if (!fatal) return original.apply(this, args);
    if (half) half.call(this, original, args);
    else if (changes % 2 === 0) original.apply(this, args);
    if (name.endsWith("Sync")) die();
    setTimeout(die, 20); // the operation that was begun may end
    return new Promise(() => {});
  };
}

const handle = await fs.promises.open(fileURLToPath(import.meta.url), "r");
const FileHandle = Object.getPrototypeOf(handle);
await handle.close();
const halfOf = (data) => data.subarray(0, data.length >> 1);
watch(FileHandle, "write", function (original, [data, offset = 0, length = data.length - offset, position]) {
  original.call(this, data, offset, length >> 1, position);
});
watch(FileHandle, "writeFile", function (original, [data]) {
  original.call(this, halfOf(Buffer.from(data)));
});
for (const name of ["sync", "datasync", "truncate"]) watch(FileHandle, name);
watch(fs.promises, "writeFile", (original, [path, data, options]) => {
  original(path, halfOf(Buffer.from(data)), options);
});
watch(fs.promises, "appendFile", (original, [path, data, options]) => {
  original(path, halfOf(Buffer.from(data)), options);
});
for (const name of ["rename", "rm", "unlink", "symlink", "link", "mkdir", "copyFile", "rmdir"])
  watch(fs.promises, name);
for (const name of [
  "writeFileSync",
  "renameSync",
  "rmSync",
  "unlinkSync",
  "mkdirSync",
  "rmdirSync",
  "symlinkSync",
])
  watch(fs, name);
syncBuiltinESMExports();

if (countFile) {
  process.on("exit", () => {
    const count = changes;
    writeFileSync(countFile, String(count));
  });
}

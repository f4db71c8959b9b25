/** The page of `swirl view`: what it is made of is vendored as it was released, served, and puts no text into markup. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { serveView } from "../../src/view/serve.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const root = resolve(import.meta.dirname, "../..");
const files = readdirSync(join(root, "view"), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(join(root, "view").length + 1));

it("view/vendor holds what node_modules does", () => {
  expect(execFileSync(process.execPath, ["scripts/vendor-view.mjs", "--check"], { cwd: root }).length).toBe(
    0,
  );
});

it("every file of the page is served, but the licenses", async () => {
  await using server = await serveView({ folders: [temporaryFolder()], port: 0 });
  const missing = [];
  for (const file of files)
    if ((await fetch(`${server.url}${file === "index.html" ? "" : file}`)).status !== 200) missing.push(file);
  expect(missing).toEqual(["vendor/LICENSES"]);
});

it("no module writes markup from text, or runs text", () => {
  for (const file of files.filter((name) => name.endsWith(".js") && !name.startsWith("vendor")))
    expect(readFileSync(join(root, "view", file), "utf8"), file).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc/,
    );
});

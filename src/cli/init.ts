/** `swirl init [DIR]`: a small project with a config, a tool, a judge and a test, which runs without any download. */
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { SwirlError } from "../errors/swirl-error.js";
import { makeFolder } from "../files/make-folder.js";
import { packageVersion } from "../version.js";
import { print } from "./output.js";
import { subcommand } from "./subcommand.js";

const TEMPLATE = fileURLToPath(new URL("../../templates/project/", import.meta.url));
/** npm leaves files of this name out of packages. */
const RENAMED: Record<string, string> = { gitignore: ".gitignore" };

export const initCommand = () =>
  subcommand({
    name: "init",
    summary: "make a project with a config, a tool, a judge and a test; it runs without any download",
    withoutConfig: true,
    customize: (command) => command.argument("[dir]", "a new or empty folder", "swirl-project"),
    run: async ({ args, json }) => {
      const folder = resolve(args[0] ?? "swirl-project");
      const files = await writeProject(folder);
      if (json) return print(JSON.stringify({ folder, files }));
      const shown = relative(process.cwd(), folder) || ".";
      print(
        [
          `${folder}: ${files.join(", ")}`,
          "",
          ...(shown === "." ? [] : [`  cd ${/^[\w./-]+$/.test(shown) ? shown : JSON.stringify(shown)}`]),
          "  npm install",
          "  npm start",
        ].join("\n"),
      );
    },
  });

/** Copies the template. @throws SwirlError CONFIG where the folder holds something or cannot be made. */
async function writeProject(folder: string): Promise<string[]> {
  await makeFolder(folder);
  const there = (await readdir(folder)).filter((name) => name !== ".git");
  if (there.length > 0)
    throw new SwirlError("CONFIG", `${folder} is not empty: it has ${there.slice(0, 3).join(", ")}`, {
      remedy: "name a new folder: swirl init DIR",
      details: { file: folder },
    });
  const entries = await readdir(TEMPLATE, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(TEMPLATE, join(entry.parentPath, entry.name)))
    .sort();
  for (const file of files) {
    const target = join(folder, RENAMED[file] ?? file);
    await mkdir(dirname(target), { recursive: true });
    if (file === "package.json") await writeFile(target, await packageJson(join(TEMPLATE, file), folder));
    else await copyFile(join(TEMPLATE, file), target);
  }
  return files.map((file) => RENAMED[file] ?? file);
}

/** With the folder's name, and this version of swirl-rl. */
async function packageJson(template: string, folder: string): Promise<string> {
  const value = JSON.parse(await readFile(template, "utf8")) as { dependencies: Record<string, string> };
  const name = basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/^-+|-+$/g, "");
  value.dependencies["swirl-rl"] = `^${packageVersion}`;
  return `${JSON.stringify({ ...value, name: name || "swirl-project" }, null, 2)}\n`;
}

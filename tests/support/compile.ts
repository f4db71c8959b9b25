/**
 * src/, experiments/ and tests/support/ as JavaScript, for tests that run a program in a process of its own (to kill it). Compiled
 * file by file without type checks, which are the linter's business; a second or two.
 */
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { temporaryFolder } from "./temporary-folder.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface Compiled {
  /** The compiled file of a source file, by its path from the root of the repository. */
  file: (source: string) => string;
}

export async function compile(): Promise<Compiled> {
  const cache = join(root, "node_modules/.cache");
  await mkdir(cache, { recursive: true });
  const folder = temporaryFolder(cache); // below node_modules, so that imports resolve
  // A package of the same name: what imports "swirl-rl" gets the source compiled here.
  const manifest = await readFile(join(root, "package.json"), "utf8");
  await writeFile(join(folder, "package.json"), manifest.replaceAll('"./dist/', '"./src/'));
  for (const part of ["src", "experiments", "tests/support"]) {
    for (const entry of await readdir(join(root, part), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith(".ts") || /\.(test|test-d|d)\.ts$/.test(entry.name))
        continue;
      const source = join(entry.parentPath, entry.name);
      const target = join(folder, relative(root, source)).replace(/\.ts$/, ".js");
      const { outputText } = ts.transpileModule(await readFile(source, "utf8"), {
        fileName: source,
        compilerOptions: {
          target: ts.ScriptTarget.ES2022,
          module: ts.ModuleKind.ESNext,
          verbatimModuleSyntax: true,
        },
      });
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, outputText);
    }
  }
  await symlink(join(root, "view"), join(folder, "view")); // the page of swirl view
  return { file: (source) => join(folder, source).replace(/\.ts$/, ".js") };
}

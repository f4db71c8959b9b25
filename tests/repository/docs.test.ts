/**
 * Everything that the repository's texts point to exists: links, headings, paths, and the pages that `--help` names.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, normalize, resolve } from "node:path";
import { beforeAll, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const run = (command: string, args: string[]) => execFileSync(command, args, { cwd: root, encoding: "utf8" });

interface Tree {
  files: Set<string>;
  folders: Set<string>;
  read: (file: string) => string;
}

function treeOf(files: readonly string[], read: Tree["read"]): Tree {
  const folders = new Set<string>(["."]);
  for (const file of files)
    for (let folder = dirname(file); folder !== "."; folder = dirname(folder)) folders.add(folder);
  return { files: new Set(files), folders, read };
}

let repository: Tree;
beforeAll(() => {
  // New files count before they are committed.
  const files = run("git", ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"]);
  const deleted = new Set(run("git", ["ls-files", "--deleted"]).split("\n"));
  repository = treeOf(
    files.split("\n").filter((file) => file && !deleted.has(file)),
    (file) => readFileSync(join(root, file), "utf8"),
  );
});

const withoutCode = (markdown: string) =>
  markdown.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");

/** The anchors that GitHub gives to the headings of a page. */
function anchors(markdown: string): Set<string> {
  const found = new Set<string>();
  for (const [, heading] of markdown.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ +(.*)$/gm)) {
    const text = heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const slug = text
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(" ", "-");
    let anchor = slug;
    for (let n = 1; found.has(anchor); n++) anchor = `${slug}-${n}`;
    found.add(anchor);
  }
  return found;
}

/** Relative links of Markdown files to a file, folder or heading that is not there, as "page: link". */
function deadLinks({ files, folders, read }: Tree): string[] {
  const dead: string[] = [];
  for (const page of [...files].filter((file) => file.endsWith(".md"))) {
    const text = withoutCode(read(page));
    // notes.md is a part of the report next to its folder, and links as the report does.
    const base = page.endsWith("/notes.md") ? dirname(dirname(page)) : dirname(page);
    const links = [...text.matchAll(/\]\(<?([^)\s>]+)/g), ...text.matchAll(/^\[[^\]]+\]:\s+(\S+)/gm)];
    for (const [, link] of [...links, ...text.matchAll(/(?:src|href)="([^"]+)"/g)]) {
      if (/^[a-z]+:/.test(link!)) continue;
      const [path, anchor] = decodeURIComponent(link!).split("#") as [string, string | undefined];
      const target = path === "" ? page : normalize(join(base, path)).replace(/\/$/, "");
      const there = files.has(target) || folders.has(target);
      if (!there || (anchor && target.endsWith(".md") && !anchors(read(target)).has(anchor)))
        dead.push(`${page}: ${link}`);
    }
  }
  return dead;
}

/** Paths that start with a folder of the repository, in any text, of which nothing is left; "file: path". */
function stalePaths({ files, folders, read }: Tree): string[] {
  const tops = [...folders].filter((folder) => !/[/.]/.test(folder) && folder !== "bin");
  const path = new RegExp(String.raw`(?<![\w./@-])(?:${tops.join("|")})/[\w./*{},<>…$-]*`, "g");
  const names = [...files];
  const stale: string[] = [];
  for (const file of names) {
    // Tests and golden files name paths of their own.
    if (!/\.(md|ts|mjs|cc|h|inl|cu|cuh|txt|py|sh|json)$|^\.ci\//.test(file)) continue;
    if (/\.test\.ts$|^tests\/.*\/?(golden|corpus)\/|^package-lock|^bench\/results/.test(file)) continue;
    for (const [found] of read(file).matchAll(path)) {
      const named = found.replace(/[.,/]+$/, "");
      if (/[*{}<>…$]|\/[A-Z]+(?![a-z0-9.])/.test(named)) continue; // a pattern, as native/cpu/OP.cc
      if (files.has(named) || folders.has(named)) continue;
      if (names.some((name) => name.startsWith(`${named}.`) || name.startsWith(`${named}_`))) continue;
      if (/\.js$/.test(named) && files.has(named.replace(/\.js$/, ".ts"))) continue;
      stale.push(`${file}: ${named}`);
    }
  }
  return stale;
}

it("no page has a dead link", () => {
  expect(deadLinks(repository)).toEqual([]);
});

it("no text names a file or folder that is gone", () => {
  expect(stalePaths(repository)).toEqual([]);
});

it("a planted dead link, heading and path are found", () => {
  const pages: Record<string, string> = {
    "docs/a.md":
      "# One two\n[x](b.md) [y](#one-two) [z](#one) [w](../src/) `[v](v.md)` src/gone/here.ts src/b.ts",
    "src/b.ts": "// docs/a.md, docs/c.md, src/*.ts",
  };
  const planted = treeOf(Object.keys(pages), (file) => pages[file]!);
  expect(deadLinks(planted)).toEqual(["docs/a.md: b.md", "docs/a.md: #one"]);
  expect(stalePaths(planted)).toEqual(["docs/a.md: src/gone/here.ts", "src/b.ts: docs/c.md"]);
});

it("every page that --help names is in the tarball", () => {
  const help = (...command: string[]) => run(process.execPath, ["bin/swirl.mjs", ...command, "--help"]);
  const names = [...help().matchAll(/^ {2}([a-z]+)\b.*$/gm)].map(([, name]) => name!);
  const commands = names.slice(names.indexOf("demo")).filter((name) => name !== "help");
  expect(commands).toContain("doctor");
  const [{ files }] = JSON.parse(run("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"]));
  const packed = treeOf(
    files.map((file: { path: string }) => file.path),
    () => "",
  );
  const named = commands.flatMap((name) => help(name).match(/\b(?:docs|examples)\/[\w./-]*\w/g) ?? []);
  expect(named).toContain("docs/configuration.md");
  expect(named.filter((path) => !packed.files.has(path) && !packed.folders.has(path))).toEqual([]);
});

it("every decision record has a number, a status and a date, and is in the index", () => {
  const index = repository.read("docs/decisions/README.md");
  const records = [...repository.files].filter((file) => /^docs\/decisions\/\d/.test(file)).sort();
  expect(records.length).toBeGreaterThan(0);
  for (const [i, record] of records.entries()) {
    const name = record.slice("docs/decisions/".length);
    expect(name).toMatch(new RegExp(`^${String(i + 1).padStart(3, "0")}-[a-z0-9-]+\\.md$`));
    const [, status, date] =
      /^# .+\n\nStatus: (proposed|accepted|superseded by \d{3})\nDate: (\d{4}-\d\d-\d\d)\n/.exec(
        repository.read(record),
      ) ?? [];
    expect(status, record).toBeDefined();
    expect(index).toMatch(new RegExp(`\\(${name}\\) \\| ${status} \\| ${date} \\|`));
  }
});

/** scripts/release.mjs tags a release that is ready, and names every reason against one that is not. */
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.js";

const script = resolve(import.meta.dirname, "../../scripts/release.mjs");
let folder: string;

const git = (...args: string[]) => {
  const who = ["-c", "user.name=A", "-c", "user.email=a@b.c"];
  return execFileSync("git", [...who, ...args], { cwd: folder, encoding: "utf8" });
};

function write(file: string, text: string) {
  writeFileSync(join(folder, file), text);
  git("add", ".");
  git("commit", "--quiet", "--allow-empty", "--message", file);
}

function release(version: string) {
  const env = { ...process.env, GIT_COMMITTER_NAME: "A", GIT_COMMITTER_EMAIL: "a@b.c" };
  return spawnSync(process.execPath, [script, version], { cwd: folder, encoding: "utf8", env });
}

const changelog = (unreleased = "", date = "2026-12-01") =>
  `# Changelog\n\n## [Unreleased]\n${unreleased}\n## [1.2.3] - ${date}\n\n### Added\n- A thing.\n\n## [1.2.2] - 2026-01-01\n- Old.\n`;

beforeEach(() => {
  folder = temporaryFolder();
  git("init", "--quiet");
  write("package.json", JSON.stringify({ version: "1.2.3" }));
  write("package-lock.json", JSON.stringify({ packages: { "": { version: "1.2.3" } } }));
  write("CITATION.cff", "title: x\nversion: 1.2.3\n");
  write("CHANGELOG.md", changelog());
});

it("tags what is ready, with the changelog's text", () => {
  expect(release("1.2.3")).toMatchObject({ status: 0, stderr: "" });
  expect(git("tag", "-l", "-n9", "v1.2.3")).toMatch(/### Added\s+- A thing\.\s*$/);
  expect(release("1.2.3")).toMatchObject({ status: 1, stderr: expect.stringContaining("exists") });
});

it.each<[string, () => void, RegExp]>([
  ["a dirty tree", () => writeFileSync(join(folder, "new.txt"), ""), /not clean.*new\.txt/s],
  [
    "a package of another version",
    () => write("package.json", '{"version":"1.2.2"}'),
    /package\.json has version 1\.2\.2/,
  ],
  [
    "a lock file of another version",
    () => write("package-lock.json", '{"packages":{"":{}}}'),
    /package-lock\.json/,
  ],
  ["no entry in the changelog", () => write("CHANGELOG.md", "# Changelog\n"), /no section "## \[1\.2\.3\]/],
  ["an entry without a date", () => write("CHANGELOG.md", changelog("", "soon")), /no section/],
  ["an empty entry", () => write("CHANGELOG.md", "## [1.2.3] - 2026-12-01\n"), /no section/],
  ["changes that were left unreleased", () => write("CHANGELOG.md", changelog("- New.\n")), /Unreleased/],
])("refuses %s", (_, spoil, reason) => {
  spoil();
  const { status, stderr } = release("1.2.3");
  expect(status).toBe(1);
  expect(stderr).toMatch(reason);
  expect(git("tag")).toBe("");
});

it("refuses what is no version", () => {
  expect(release("next")).toMatchObject({ status: 1, stderr: expect.stringContaining("not a version") });
});

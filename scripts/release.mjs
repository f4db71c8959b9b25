// Makes the tag of a release: `npm run release -- 0.2.0`. Refuses, and lists every reason, when the tree is dirty, the tag
// exists, a file names another version, or CHANGELOG.md has no dated section for the version. It publishes nothing.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const git = (...args) => execFileSync("git", args, { encoding: "utf8" }).trim();

/** The text below a version's heading in a changelog, or undefined when there is none with a date. */
function changelogSection(changelog, version) {
  const sections = changelog.split(/^## /m).slice(1);
  const heading = `[${version}] - `;
  const section = sections.find((text) => text.startsWith(heading));
  if (section === undefined || !/^\d{4}-\d\d-\d\d$/.test(section.split("\n")[0].slice(heading.length)))
    return undefined;
  return section.split("\n").slice(1).join("\n").trim();
}

/** Why `version` cannot be released from the current folder; empty when it can. */
function objections(version) {
  const found = [];
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version ?? ""))
    return [`${JSON.stringify(version ?? "")} is not a version. Write: npm run release -- 0.2.0`];
  const dirty = git("status", "--porcelain");
  if (dirty) found.push(`the tree is not clean; commit or remove:\n${dirty}`);
  if (git("tag", "--list", `v${version}`)) found.push(`the tag v${version} exists`);

  const versions = {
    "package.json": JSON.parse(readFileSync("package.json", "utf8")).version,
    "package-lock.json": JSON.parse(readFileSync("package-lock.json", "utf8")).packages[""].version,
    "CITATION.cff": /^version: (.*)$/m.exec(readFileSync("CITATION.cff", "utf8"))?.[1],
  };
  for (const [file, named] of Object.entries(versions))
    if (named !== version) found.push(`${file} has version ${named}, not ${version}`);

  const changelog = readFileSync("CHANGELOG.md", "utf8");
  if (!changelogSection(changelog, version))
    found.push(`CHANGELOG.md has no section "## [${version}] - YYYY-MM-DD" with text`);
  const unreleased = changelog.split(/^## \[Unreleased\]$/m)[1]?.split(/^## /m)[0];
  if (unreleased?.trim())
    found.push("CHANGELOG.md still lists changes under [Unreleased]; move them to the version");
  return found;
}

const version = process.argv[2];
const reasons = objections(version);
if (reasons.length > 0) {
  console.error(`Not released:\n${reasons.map((reason) => `- ${reason}`).join("\n")}`);
  process.exitCode = 1;
} else {
  const notes = changelogSection(readFileSync("CHANGELOG.md", "utf8"), version);
  git(
    "tag",
    "--annotate",
    `v${version}`,
    "--cleanup=verbatim",
    "--message",
    `swirl-rl ${version}\n\n${notes}`,
  );
  console.log(`Tagged v${version}. What is left: bash .ci/run, git push --follow-tags, npm publish`);
}

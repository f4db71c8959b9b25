/** Writes report.md and report.html into a run directory, from the files that are in it. Both atomically. */
import { writeFileAtomic } from "../files/atomic-write.js";
import { runPaths } from "../run-directory/layout.js";
import { readReportData } from "./report-data.js";
import { reportHtml } from "./report-html.js";
import { reportMarkdown } from "./report-markdown.js";

export async function writeReport(
  dir: string,
  options: { title?: string } = {},
): Promise<{ markdown: string; html: string }> {
  const data = await readReportData(dir, options.title);
  const paths = runPaths(dir);
  await writeFileAtomic(paths.report, reportMarkdown(data));
  await writeFileAtomic(paths.reportHtml, reportHtml(data));
  return { markdown: paths.report, html: paths.reportHtml };
}

/** Writes report.md and report.html into a run directory, from its files. Both are written atomically. */

import { ofArgumentsAsync } from "../errors/arguments.js";
import { writeFileAtomic } from "../files/atomic-write.js";
import { runPaths } from "../run-directory/layout.js";
import { readReportData } from "./report-data.js";
import { reportHtml } from "./report-html.js";
import { reportMarkdown } from "./report-markdown.js";

/** Paths of a written report. */
export interface ReportFiles {
  /** Path of report.md. */
  markdown: string;
  /** Path of report.html. */
  html: string;
}

/**
 * Writes report.md and report.html into a run directory, from the files in it.
 *
 * @param dir The run directory.
 * @param options `title`: heading of the report. Default: the name of the run in its manifest.
 * @throws SwirlError RECORD when a file of the run is damaged.
 */
export async function writeReport(dir: string, options: { title?: string } = {}): Promise<ReportFiles> {
  return await ofArgumentsAsync("writeReport", "(folder of a run, { title? })", async () => {
    const data = await readReportData(dir, options.title);
    const paths = runPaths(dir);
    await writeFileAtomic(paths.report, reportMarkdown(data));
    await writeFileAtomic(paths.reportHtml, reportHtml(data));
    return { markdown: paths.report, html: paths.reportHtml };
  });
}

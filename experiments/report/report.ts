/** The result of a study: one page, its figures, and every number behind them. */
export interface Report {
  /** Name of the files: learning.md, learning.json, learning/*.svg. */
  name: string;
  page: string;
  /** File name without its ending → SVG. */
  figures: Readonly<Record<string, string>>;
  data: unknown;
}

/**
 * A figure as an SVG file of its own: readable on a light page and on a dark one, no script, no font to load. Pure.
 */
const STYLE = `text{font:12px system-ui,sans-serif;fill:#1d2129}.soft{fill:#667080}.title{font-size:14px;font-weight:600}
.grid{stroke:#dfe3e8}.axis{stroke:#98a2b3}.reference{stroke:#98a2b3;stroke-dasharray:4 3}
.a{fill:#2f6fdb}.b{fill:#c2701c}.c{fill:#667080}.line{fill:none;stroke:#2f6fdb;stroke-width:2}
.whisker{stroke:#1d2129;stroke-width:1.5}
@media (prefers-color-scheme:dark){text{fill:#e4e7ec}.soft{fill:#98a2b3}.grid{stroke:#2c323c}.axis,.reference{stroke:#667080}
.a{fill:#78a6f5}.b{fill:#e8a255}.c{fill:#98a2b3}.line{stroke:#78a6f5}.whisker{stroke:#e4e7ec}}`;

export function figure(width: number, height: number, title: string, parts: readonly string[]): string {
  const name = escapeXml(title);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${name}">\n` +
    `<title>${name}</title>\n<style>${STYLE}</style>\n<text class="title" x="8" y="20">${name}</text>\n${parts.join("\n")}\n</svg>\n`
  );
}

export function text(
  x: number,
  y: number,
  content: string,
  options: { anchor?: string; soft?: boolean } = {},
): string {
  const { anchor = "start", soft = false } = options;
  return `<text${soft ? ' class="soft"' : ""} text-anchor="${anchor}" x="${fix(x)}" y="${fix(y)}">${escapeXml(content)}</text>`;
}

export function line(kind: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${kind}" x1="${fix(x1)}" y1="${fix(y1)}" x2="${fix(x2)}" y2="${fix(y2)}"/>`;
}

export function fix(value: number): string {
  return String(Math.round(value * 10) / 10);
}

export function escapeXml(content: string): string {
  return content.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** From a share to a position; values outside are drawn at the edge. */
export function scale(low: number, high: number, start: number, end: number): (value: number) => number {
  return (value) => start + Math.min(1, Math.max(0, (value - low) / (high - low))) * (end - start);
}

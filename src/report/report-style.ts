/** The style sheet of report.html, in both color schemes and for print. */
export const reportStyle = `
:root { color-scheme: light dark; --ink: #1d2129; --soft: #667080; --line: #e3e6eb; --page: #ffffff; --panel: #f6f7f9;
  --accent: #2f6fdb; --good: #1f7a46; --bad: #b3352b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ec; --soft: #98a2b3; --line: #2c323c; --page: #14171c;
  --panel: #1c2027; --accent: #78a6f5; --good: #66c38d; --bad: #ee8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 24px 80px; }
h1 { font-size: 26px; margin: 0 0 8px; } h2 { font-size: 19px; margin: 44px 0 12px; } h3 { font-size: 16px; margin: 26px 0 6px; }
h4 { font-size: 14px; margin: 0 0 8px; }
.note { color: var(--soft); font-size: 13px; font-weight: 400; } p.note { margin: 6px 0 12px; }
.gain { margin: 8px 0; font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); } th:first-child, td:first-child { text-align: left; }
section:last-of-type td { text-align: left; overflow-wrap: anywhere; }
figure { margin: 0; } figcaption { font-size: 13px; font-weight: 600; margin-bottom: 4px; }
.pair, .grid-of-charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 24px 32px; }
.pair { margin: 8px 0 16px; }
svg { width: 100%; height: auto; display: block; }
svg text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--soft); }
svg .label, svg .value { font-size: 13px; fill: var(--ink); } svg .value { font-weight: 600; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .raw { fill: none; stroke: var(--accent); stroke-opacity: .3; stroke-width: 1; }
svg .mean { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
svg .dot { fill: var(--accent); }
svg .at rect { fill: transparent; } svg .at line { stroke: var(--soft); stroke-width: 1; }
svg .at line, svg .at circle, svg .at text { visibility: hidden; pointer-events: none; } svg .at circle { fill: var(--accent); }
svg .at text { fill: var(--ink); paint-order: stroke; stroke: var(--page); stroke-width: 4px; }
svg .at:hover line, svg .at:hover circle, svg .at:hover text { visibility: visible; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0 0; padding: 0; list-style: none; } nav li { margin: 0; }
a { color: var(--accent); } :target { scroll-margin-top: 12px; }
svg .whisker { stroke: var(--accent); stroke-opacity: .4; stroke-width: 5; stroke-linecap: round; }
.transcript { background: var(--panel); border-radius: 8px; padding: 14px 16px; min-width: 0; }
ol { margin: 0; padding-left: 20px; } li { margin: 0 0 10px; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; }
pre.observation { color: var(--soft); border-left: 2px solid var(--line); padding-left: 10px; margin-top: 4px;
  max-height: 12em; overflow: auto; } pre.error { border-color: var(--bad); }
.badge { font-size: 11px; font-weight: 700; } .good { color: var(--good); } .bad { color: var(--bad); } .not-judged { color: var(--soft); }
details { margin-top: 16px; } summary { cursor: pointer; }
@media print { main { padding: 0; } article, figure { break-inside: avoid; } }
`;

/** Summary of one run: its result, what the filter kept, its files, and its configuration. */
import { address, useAnswer } from "./api.js";
import {
  ago,
  count,
  Empty,
  html,
  Intervals,
  percent,
  runColor,
  signed,
  stageName,
  useWidth,
} from "./parts.js";

export function Overview({ run, runs, version }) {
  const evaluations = run.tables.filter(({ kind, accuracy }) => kind === "evaluation" && accuracy?.n > 0);
  const nothing = run.tables.length === 0 && run.metrics.rows === 0 && run.sftMetrics.rows === 0;
  return html`
    <h1>${run.name}</h1>
    <p class="lead">${facts(run)}</p>
    <${Damage} run=${run} />
    ${
      nothing
        ? html`<${Empty} title="This run has written nothing yet.">
          <p>Curves, trajectories and results appear here as they are written; the page needs no reload.</p></${Empty}>`
        : null
    }
    ${evaluations.length > 0 ? html`<${Result} run=${run} evaluations=${evaluations} version=${version} />` : null}
    ${run.filter ? html`<${Filter} table=${run.filter} run=${run} />` : null}
    ${runs.length > 1 ? html`<${Runs} runs=${runs} current=${run} />` : null}
    ${run.tables.length > 0 ? html`<${Files} run=${run} />` : null}
    <${Made} run=${run} />`;
}

function facts(run) {
  const pool = run.tables.find(({ name }) => name === "trajectories");
  return [
    run.live ? "live" : `last written ${ago(run.modified)}`,
    pool ? `${count(pool.rows)} trajectories` : undefined,
    run.verdicts.size > 0 ? `${count(run.verdicts.size)} verdicts` : undefined,
    run.metrics.rows > 0 ? `${count(run.metrics.rows)} updates` : undefined,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** What could not be read: it is always reported. */
function Damage({ run }) {
  const lines = [
    ...run.problems,
    ...run.tables.flatMap(({ name, damaged, problems }) =>
      damaged === 0
        ? []
        : [
            `${name}.jsonl: ${count(damaged)} ${damaged === 1 ? "line is" : "lines are"} left out: ${problems
              .slice(0, 3)
              .map(({ line, why }) => `line ${line} (${why})`)
              .join(", ")}${damaged > 3 ? ", …" : ""}`,
          ],
    ),
    ...[
      ["metrics", run.metrics.damaged],
      ["sft-metrics", run.sftMetrics.damaged],
      ["actions", run.actions.damaged],
      ["verdicts", run.verdicts.damaged],
    ].flatMap(([name, damaged]) =>
      damaged ? [`${name}.jsonl: ${count(damaged)} damaged lines are left out`] : [],
    ),
  ];
  if (lines.length === 0) return null;
  return html`<div class="problem" role="status"><ul>${lines.map((line) => html`<li>${line}</li>`)}</ul></div>`;
}

function Runs({ runs, current }) {
  return html`<section>
    <h2>All runs</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Runs, table"><table>
      <thead><tr><th scope="col">run</th><th scope="col" class="number">updates</th><th scope="col" class="number">trajectories</th><th scope="col" class="number">first accuracy</th><th scope="col" class="number">last accuracy</th><th scope="col">written</th></tr></thead>
      <tbody>${runs.map((run) => {
        const checked = run.tables.filter((table) => table.accuracy?.n > 0);
        const stages = checked.filter(({ name }) => name.startsWith("evaluation-"));
        const accuracy = stages.length > 0 ? stages : checked;
        const cell = (table) =>
          table
            ? html`${percent(table.accuracy.value)} <span class="soft">${stageName(table.name)}</span>`
            : "–";
        return html`<tr class=${run === current ? "current" : ""}>
          <th scope="row"><i class="swatch" style=${{ background: runColor(run.id) }}></i> <a href=${address("overview", { run: run.id })}>${run.name}</a></th>
          <td class="number">${count(run.metrics.rows)}</td>
          <td class="number">${count(run.tables.find(({ name }) => name === "trajectories")?.rows ?? 0)}</td>
          <td class="number">${cell(accuracy[0])}</td><td class="number">${cell(accuracy.length > 1 ? accuracy.at(-1) : undefined)}</td>
          <td>${run.live ? html`<span class="live">live</span>` : ago(run.modified)}</td></tr>`;
      })}</tbody></table></div></section>`;
}

function Result({ run, evaluations, version }) {
  const main = evaluations.filter(({ name }) => name.startsWith("evaluation-"));
  const [first, last] = [main[0], main.at(-1)];
  const { value } = useAnswer(
    "compare",
    first && first !== last
      ? { beforeRun: run.id, beforeFile: first.name, afterRun: run.id, afterFile: last.name }
      : undefined,
    version,
  );
  const labels = evaluations.filter(({ processLabel }) => processLabel);
  return html`<section>
    <h2>Result</h2>
    ${value ? html`<p class="headline"><${Difference} value=${value.difference} /> <span class="soft">${stageName(first.name)} → ${stageName(last.name)}, paired, on ${count(value.questions)} questions.</span> <a href=${address("compare", { run: run.id, a: `${run.id}/${first.name}`, b: `${run.id}/${last.name}` })}>${count(value.gainedCount)} gained, ${count(value.lostCount)} lost</a></p>` : null}
    <div class="columns">
      <figure><figcaption>Accuracy, 95 % interval</figcaption>
        <${Intervals} title="Accuracy" rows=${evaluations.map(({ name, accuracy }) => ({ label: stageName(name), ...accuracy, color: runColor(run.id) }))} /></figure>
      ${
        labels.length > 0
          ? html`<figure><figcaption>Steps judged good, 95 % interval</figcaption>
        <${Intervals} title="Steps judged good" rows=${labels.map(({ name, processLabel }) => ({ label: stageName(name), ...processLabel, color: runColor(run.id) }))} /></figure>`
          : null
      }
    </div></section>`;
}

/** A difference of accuracies in points, and whether it differs from 0 significantly. */
export function Difference({ value }) {
  const { low, high } = value;
  const sure = low > 0 || high < 0;
  const points = (number) => signed(100 * number);
  return html`<strong class=${sure ? (low > 0 ? "gain" : "loss") : ""}>${points(value.value)} points</strong>
    <span> [${points(low)}, ${points(high)}]${sure ? "" : ", the interval includes 0"}</span>`;
}

/** The filter as a flow: the pool on the left, its outcome on the right. */
function Filter({ table, run }) {
  const applied = table.rows.find(({ kind }) => kind === table.applied);
  return html`<section>
    <h2>Filter</h2>
    <p class="lead">The <strong>${table.applied}</strong> filter kept ${count(applied?.kept ?? 0)} of ${count(table.pool)} trajectories${table.handedOn === applied?.kept ? "" : `; ${count(table.handedOn)} of them were drawn`} and handed them on to training.
      ${table.handedOn === 0 ? html` <strong>Nothing is left to train on.</strong>` : run.hasKept ? html` <a href=${address("trajectories", { run: run.id, file: "trajectories", kept: "true" })}>Show them</a>` : null}</p>
    ${
      applied
        ? html`<${Flow} pool=${table.pool} parts=${[
            { name: "kept", value: applied.kept, kind: "kept" },
            ...Object.entries(applied.dropped)
              .sort((a, b) => b[1] - a[1])
              .map(([name, value]) => ({ name, value, kind: "dropped" })),
          ]} />`
        : null
    }
    <div class="scroll" tabindex="0" role="region" aria-label="What each filter keeps, table"><table>
      <thead><tr><th scope="col">filter</th><th scope="col" class="number">kept</th><th scope="col" class="number">share</th><th scope="col">dropped, by reason</th></tr></thead>
      <tbody>${table.rows.map(
        (row) => html`<tr class=${row.kind === table.applied ? "current" : ""}>
        <th scope="row">${row.kind}${row.kind === table.applied ? html` <span class="tag">applied</span>` : null}</th>
        <td class="number">${count(row.kept)}</td><td class="number">${percent(row.kept / Math.max(1, table.pool))}</td>
        <td>${Object.entries(row.dropped)
          .sort((a, b) => b[1] - a[1])
          .map(([reason, n]) => html`<span class="reason">${reason} <b>${count(n)}</b></span>`)}</td></tr>`,
      )}</tbody></table></div></section>`;
}

function Flow({ pool, parts }) {
  const [ref, width] = useWidth();
  const shown = parts.filter(({ value }) => value > 0);
  const gap = 10;
  const least = 16;
  const room = 150;
  const label = width < 480 ? 190 : 230;
  const right = width - label;
  const heights = shown.map(({ value }) => Math.max(least, (room * value) / pool));
  const height = heights.reduce((sum, each) => sum + each, 0) + gap * (shown.length - 1);
  const leftHeight = height - gap * (shown.length - 1);
  let from = (height - leftHeight) / 2;
  let to = 0;
  const bands = shown.map((part, i) => {
    const band = { ...part, from, to, height: heights[i] };
    from += heights[i];
    to += heights[i] + gap;
    return band;
  });
  const middle = 12 + (right - 24) / 2;
  return html`<div ref=${ref} class="flow">${
    width > 0 && pool > 0
      ? html`<svg width=${width} height=${height} role="img" aria-label=${`Of ${pool} trajectories: ${shown.map(({ name, value }) => `${value} ${name}`).join(", ")}`}>
      <rect class="pool" x="0" y=${(height - leftHeight) / 2} width="12" height=${leftHeight} rx="2" />
      ${bands.map(
        (
          band,
        ) => html`<path class=${`band ${band.kind}`} d=${`M12 ${band.from}C${middle} ${band.from} ${middle} ${band.to} ${right - 12} ${band.to}V${band.to + band.height}C${middle} ${band.to + band.height} ${middle} ${band.from + band.height} 12 ${band.from + band.height}Z`} />
        <rect class=${`end ${band.kind}`} x=${right - 12} y=${band.to} width="6" height=${band.height} rx="2" />
        <text x=${right + 2} y=${band.to + band.height / 2 + 4}><tspan class="strong">${count(band.value)}</tspan><tspan dx="6">${band.name}</tspan></text>`,
      )}</svg>`
      : null
  }</div>`;
}

function Files({ run }) {
  return html`<section>
    <h2>Records</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Records, table"><table>
      <thead><tr><th scope="col">file</th><th scope="col" class="number">trajectories</th><th scope="col" class="number">accuracy</th><th scope="col" class="number">calls / question</th><th scope="col">judge</th><th scope="col">state</th></tr></thead>
      <tbody>${run.tables.map(
        (table) => html`<tr>
        <th scope="row"><a href=${address("trajectories", { run: run.id, file: table.name })}>${table.name}.jsonl</a></th>
        <td class="number">${count(table.rows)}</td>
        <td class="number">${table.accuracy?.n ? percent(table.accuracy.value) : "–"}</td>
        <td class="number">${table.toolCalls === undefined ? "–" : table.toolCalls.toFixed(2)}</td>
        <td class="break">${table.judge ?? "–"}</td>
        <td>${table.progress < 1 ? `read ${percent(table.progress, 0)}` : table.pending > 0 ? "a line is unfinished" : table.damaged > 0 ? `${table.damaged} damaged` : "complete"}</td></tr>`,
      )}</tbody></table></div></section>`;
}

function Made({ run }) {
  const { manifest, config } = run;
  if (!manifest && !config) return null;
  const session = manifest?.sessions?.at(-1);
  return html`<section>
    <h2>Made with</h2>
    ${
      session
        ? html`<dl class="facts">
      <dt>swirl-rl</dt><dd>${session.package}</dd><dt>Node</dt><dd>${session.node}, ${session.platform}</dd>
      <dt>device</dt><dd>${session.device ?? "none"}</dd>
      <dt>seeds</dt><dd>${
        Object.entries(manifest.seeds ?? {})
          .map(([name, seed]) => `${name} ${seed}`)
          .join(", ") || "none"
      }</dd>
      <dt>sessions</dt><dd>${manifest.sessions.length}, the last one ${new Date(session.startedAt).toLocaleString()}</dd>
      ${Object.entries(manifest.inputs ?? {}).map(([name, input]) => html`<dt>${name}</dt><dd class="break">${input.path} <span class="soft">SHA-256 ${String(input.sha256).slice(0, 12)}…</span></dd>`)}
      <dt>folder</dt><dd class="break">${run.folder}</dd></dl>`
        : null
    }
    ${config ? html`<details><summary>Config</summary><pre tabindex="0" role="region" aria-label="Config">${JSON.stringify(config, null, 2)}</pre></details>` : null}</section>`;
}

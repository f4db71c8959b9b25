/** Training curves of several runs, one chart per metric, followed as the logs grow. */
import { get } from "./api.js";
import { Empty, html, Problem, runColor, short, useWidth } from "./parts.js";
import { useEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
import uPlot from "./vendor/uplot.js";

/** The most important metrics, in this order; the others follow by name. */
const TITLES = {
  reward: "Reward of fresh actions",
  reward_std: "Spread of the reward within a state",
  frac_reward_zero_std: "States whose actions all got the same reward",
  kl: "KL to the reference policy, nats per token",
  entropy: "Entropy, nats per token",
  "completions/mean_length": "Length of fresh actions, tokens",
  "completions/clipped_ratio": "Share of actions truncated by the token limit",
  loss: "Loss",
  grad_norm: "Gradient norm before clipping",
  learning_rate: "Learning rate",
};
const FIRST = 8;

/** The logs of the runs, fetched in parts: only what was appended. */
function useLogs(runs, versions, log) {
  const store = useRef(new Map());
  const [state, set] = useState({ tick: 0, error: undefined });
  const key = runs.map(({ id }) => `${id}:${versions[id] ?? 0}`).join();
  useEffect(() => {
    let stopped = false;
    (async () => {
      try {
        let grown = false;
        for (const { id } of runs) {
          const name = `${log}/${id}`;
          const known = store.current.get(name);
          let answer = await get("curves", { run: id, log, from: known?.rows ?? 0 });
          if (known && (answer.generation !== known.generation || answer.from !== known.rows))
            answer = await get("curves", { run: id, log, from: 0 });
          if (stopped) return;
          const appends = known && answer.from === known.rows && answer.generation === known.generation;
          if (appends && answer.rows === known.rows) continue;
          grown = true;
          store.current.set(name, appends ? joined(known, answer) : answer);
        }
        if (!stopped) set(({ tick }) => ({ tick: grown ? tick + 1 : tick, error: undefined, loaded: true }));
      } catch (error) {
        if (!stopped) set(({ tick }) => ({ tick, error: error.message, loaded: true }));
      }
    })();
    return () => {
      stopped = true;
    };
  }, [key, log]);
  return { data: (id) => store.current.get(`${log}/${id}`), ...state };
}

function joined(known, more) {
  const before = known.columns.step?.length ?? 0;
  const after = more.columns.step?.length ?? 0;
  const columns = {};
  for (const name of new Set([...Object.keys(known.columns), ...Object.keys(more.columns)]))
    columns[name] = [
      ...(known.columns[name] ?? new Array(before).fill(null)),
      ...(more.columns[name] ?? new Array(after).fill(null)),
    ];
  return { ...more, columns };
}

export function Curves({ runs, run, versions, hidden }) {
  const [log, setLog] = useState(run.metrics.rows === 0 && run.sftMetrics.rows > 0 ? "sft" : "train");
  const [window, setWindow] = useState(10);
  const [all, setAll] = useState(false);
  const shown = runs.filter(({ id }) => !hidden.has(id));
  const logs = useLogs(shown, versions, log);
  const series = shown
    .map(({ id, name }) => ({ id, name, data: logs.data(id) }))
    .filter(({ data }) => data?.rows > 0);
  const keys = useMemo(() => {
    const known = new Set(series.flatMap(({ data }) => Object.keys(data.columns)));
    known.delete("step");
    const first = Object.keys(TITLES).filter((key) => known.has(key));
    const validation = [...known].filter((key) => key.startsWith("validation/")).sort();
    const others = [...known].filter((key) => !first.includes(key) && !validation.includes(key)).sort();
    return [...validation, ...first, ...others];
  }, [logs.tick, shown.length, log]);
  const visible = all
    ? keys
    : keys.slice(0, Math.max(FIRST, keys.filter((key) => key.startsWith("validation/")).length + 6));
  const updates = {
    train: runs.some(({ metrics }) => metrics.rows > 0),
    sft: runs.some(({ sftMetrics }) => sftMetrics.rows > 0),
  };

  return html`
    <div class="page-head"><h1>Curves</h1>
      <div class="controls">
        <label>Log <select value=${log} onChange=${(event) => setLog(event.target.value)}>
          <option value="train">RL</option><option value="sft">SFT</option></select></label>
        <label>Running mean <select value=${window} onChange=${(event) => setWindow(Number(event.target.value))}>
          <option value="1">off</option><option value="5">5 updates</option><option value="10">10 updates</option><option value="25">25 updates</option><option value="100">100 updates</option></select></label>
      </div></div>
    ${logs.error ? html`<${Problem} text=${logs.error} />` : null}
    ${
      series.length === 0
        ? logs.loaded
          ? html`<${Empty} title=${shown.length === 0 ? "No run is chosen." : log === "train" ? "No update of RL has been logged." : "No update of SFT has been logged."}>
            <p>${shown.length === 0 ? "Choose runs in the list." : updates[log === "train" ? "sft" : "train"] ? "The other log has some: change “Log”." : "Curves appear with the first update of `swirl train` or `swirl sft`."}</p></${Empty}>`
          : html`<p class="soft" role="status">Reading …</p>`
        : html`
      ${series.length > 1 ? html`<ul class="legend">${series.map(({ id, name }) => html`<li><i class="swatch" style=${{ background: runColor(id) }}></i>${name}</li>`)}</ul>` : null}
      <div class="charts">${visible.map((name) => html`<${Chart} key=${`${log}/${name}`} name=${name} series=${series} window=${window} tick=${logs.tick} log=${log} />`)}</div>
      ${visible.length < keys.length ? html`<p><button type="button" onClick=${() => setAll(true)}>Show ${keys.length - visible.length} more metrics</button></p>` : null}
      <p class="note">Faint: every update. Strong: running mean. Drag to zoom, double-click to see all. Across: updates.</p>`
    }`;
}

function Chart({ name, series, window, tick, log }) {
  const [box, width] = useWidth();
  const host = useRef(null);
  const plot = useRef(null);
  const [at, setAt] = useState(undefined);
  const [theme, setTheme] = useState(0);
  const rows = useMemo(
    () => aligned(series, name, window),
    [series.map(({ id }) => id).join(), window, tick, name],
  );
  const ids = series.map(({ id }) => id).join();

  useEffect(() => {
    const changed = () => setTheme((value) => value + 1);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", changed);
    addEventListener("themechange", changed);
    return () => {
      scheme.removeEventListener("change", changed);
      removeEventListener("themechange", changed);
    };
  }, []);

  useEffect(() => {
    if (width === 0) return;
    const [soft, line] = [resolvedColor(host.current, "--soft"), resolvedColor(host.current, "--line")];
    const axis = {
      stroke: soft,
      font: "11px system-ui, sans-serif",
      grid: { stroke: line, width: 1 },
      ticks: { show: false },
    };
    const chart = new uPlot(
      {
        width,
        height: 190,
        padding: [10, 14, 0, 0],
        legend: { show: false },
        cursor: { sync: { key: log }, points: { size: 6 }, y: false },
        scales: { x: { time: false } },
        axes: [
          { ...axis, size: 26, space: 60 },
          { ...axis, size: 54, space: 32, values: (_, values) => values.map(short) },
        ],
        series: [
          {},
          ...series.flatMap(({ id }) => [
            {
              stroke: `${runColor(id)}55`,
              width: 1,
              points: { show: false },
              spanGaps: true,
              show: window > 1,
            },
            { stroke: runColor(id), width: 2, points: { show: rows[0].length < 3 }, spanGaps: true },
          ]),
        ],
        hooks: { setCursor: [(self) => setAt(self.cursor.idx ?? undefined)] },
      },
      rows,
      host.current,
    );
    plot.current = chart;
    return () => {
      chart.destroy();
      plot.current = null;
    };
  }, [width > 0, ids, window > 1, theme, log, name]);

  useEffect(() => {
    if (width > 0) plot.current?.setSize({ width, height: 190 });
  }, [width]);
  useEffect(() => plot.current?.setData(rows), [rows]);

  const last = at ?? rows[0].length - 1;
  return html`<figure class="chart" ref=${box}>
    <figcaption><span title=${name}>${TITLES[name] ?? name}</span>
      <span class="chart-values">${at === undefined ? "" : html`<span class="soft">update ${rows[0][last]}</span>`}${series.map(({ id }, i) => html`<b>${series.length > 1 ? html`<i class="swatch" style=${{ background: runColor(id) }}></i> ` : null}${short(nearest(rows[2 + 2 * i], last))}</b>`)}</span></figcaption>
    <div ref=${host} role="img" aria-label=${`${TITLES[name] ?? name}: ${series.map(({ name: run }, i) => `${run} ${short(nearest(rows[2 + 2 * i], rows[0].length - 1))}`).join(", ")}`}></div>
  </figure>`;
}

function nearest(column, at) {
  for (let i = at; i >= 0; i--) if (column[i] !== null && column[i] !== undefined) return column[i];
  return undefined;
}

/** A custom property as a plain color: a canvas does not understand light-dark(). */
function resolvedColor(element, property) {
  element.style.color = `var(${property})`;
  const { color } = getComputedStyle(element);
  element.style.color = "";
  return color;
}

/** The columns of all runs on one axis of updates: [steps, raw, mean, raw, mean, …]. */
function aligned(series, name, window) {
  const steps = [...new Set(series.flatMap(({ data }) => data.columns.step ?? []))].sort((a, b) => a - b);
  const place = new Map(steps.map((step, i) => [step, i]));
  const columns = series.flatMap(({ data }) => {
    const raw = new Array(steps.length).fill(null);
    const mean = new Array(steps.length).fill(null);
    const recent = [];
    const values = data.columns[name] ?? [];
    for (const [i, step] of (data.columns.step ?? []).entries()) {
      const value = values[i];
      if (value === null || value === undefined) continue;
      recent.push(value);
      if (recent.length > window) recent.shift();
      raw[place.get(step)] = value;
      mean[place.get(step)] = recent.reduce((sum, each) => sum + each, 0) / recent.length;
    }
    return [raw, mean];
  });
  return [steps, ...columns];
}

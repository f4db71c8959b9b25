/** The table of trajectories: search, filters, virtual scrolling over any number of rows. */
import { get, go } from "./api.js";
import { Conversation } from "./conversation.js";
import {
  count,
  Empty,
  html,
  isTyping,
  Marks,
  Outcome,
  Problem,
  seconds,
  stageName,
  visible,
} from "./parts.js";
import { useEffect, useMemo, useRef, useState } from "./vendor/hooks.js";

const ROW = 38;
const HEAD = 32;
const PAGE = 100;
/** Pages kept while scrolling: memory stays flat however long the file is. */
const KEPT_PAGES = 8;
const FILTERS = [
  "search",
  "outcome",
  "verdict",
  "tool",
  "end",
  "kept",
  "minTokens",
  "maxTokens",
  "sort",
  "descending",
];
const COLUMNS = [
  ["line", "#", "number"],
  ["question", "question", "wide"],
  ["", "answer", "answer"],
  ["", "result", ""],
  ["good", "steps", ""],
  ["calls", "calls", "number"],
  ["tokens", "tokens", "number"],
  ["end", "ended in", ""],
  ["time", "time", "number"],
];

/** Rows of a query by page, fetched when they become visible. */
function useRows(query, version) {
  const pages = useRef(new Map());
  const [state, set] = useState({
    total: 0,
    matched: 0,
    facets: undefined,
    judge: undefined,
    tick: 0,
    loading: true,
  });
  const key = JSON.stringify(query);
  const current = useRef(key);
  const load = async (page, force = false) => {
    const known = pages.current.get(page);
    if (known && !force) {
      pages.current.delete(page); // keeps the most recently used last
      pages.current.set(page, known);
      return;
    }
    if (!known) pages.current.set(page, "loading");
    const asked = current.current;
    try {
      const answer = await get("rows", { ...query, offset: page * PAGE, limit: PAGE });
      if (current.current !== asked) return;
      pages.current.set(page, answer.rows);
      for (const old of pages.current.keys()) {
        if (pages.current.size <= KEPT_PAGES) break;
        if (old !== page) pages.current.delete(old);
      }
      set((before) => ({
        ...before,
        ...answer,
        facets: answer.facets ?? before.facets,
        rows: undefined,
        error: undefined,
        loading: false,
        tick: before.tick + 1,
      }));
    } catch (error) {
      if (current.current !== asked) return;
      pages.current.delete(page);
      set((before) => ({ ...before, error: error.message, loading: false }));
    }
  };
  useEffect(() => {
    if (current.current !== key) pages.current.clear();
    current.current = key;
    set((before) => ({ ...before, loading: true }));
    // Visible rows are fetched again at once, the others when they become visible.
    const seen = [...pages.current.keys()].slice(-2);
    pages.current = new Map(seen.map((page) => [page, pages.current.get(page)]));
    for (const page of new Set([0, ...seen])) load(page, true);
  }, [key, version]);
  const row = (index) => {
    const page = pages.current.get(Math.floor(index / PAGE));
    return Array.isArray(page) ? page[index % PAGE] : undefined;
  };
  return { ...state, row, load };
}

export function Trajectories({ run, version, parameters }) {
  const files = run.tables;
  const file =
    files.find(({ name }) => name === parameters.file) ??
    files.find(({ name }) => name === "trajectories") ??
    files[0];
  const set = (changes, replace = true) =>
    go("trajectories", { ...parameters, run: run.id, file: file?.name, ...changes }, replace);
  const query = useMemo(
    () => ({
      run: run.id,
      file: file?.name,
      ...Object.fromEntries(FILTERS.map((name) => [name, parameters[name]])),
    }),
    [run.id, file?.name, ...FILTERS.map((name) => parameters[name])],
  );
  if (!file)
    return html`<h1>Trajectories</h1><${Empty} title="This run has no trajectories yet.">
      <p>They appear as <code>swirl synthesize</code>, <code>swirl eval</code> or <code>swirl run</code> writes them.</p></${Empty}>`;
  return html`<${Table} key=${file.name} run=${run} files=${files} file=${file} query=${query} parameters=${parameters} set=${set} version=${version} />`;
}

function Table({ run, files, file, query, parameters, set, version }) {
  const rows = useRows(query, version);
  const open = parameters.row === undefined ? undefined : Number(parameters.row);
  const [at, setAt] = useState(Number(parameters.at ?? 0));
  const search = useRef(null);
  const list = useRef(null);
  const state = useRef({});
  state.current = { at, matched: rows.matched, open };

  const move = (to) => {
    const next = Math.max(0, Math.min(state.current.matched - 1, to));
    setAt(next);
    list.current?.show(next);
    if (state.current.open !== undefined) {
      const row = rows.row(next);
      if (row) set({ row: row.row, at: next });
      else
        rows.load(Math.floor(next / PAGE)).then(() => {
          const found = rows.row(next);
          if (found) set({ row: found.row, at: next });
        });
    }
  };
  const close = () => {
    set({ row: undefined, at: undefined });
    requestAnimationFrame(() => list.current?.focus());
  };
  useEffect(() => {
    const pressed = (event) => {
      if (isTyping(event)) {
        if (event.key === "Escape" && event.target === search.current) list.current?.focus();
        return;
      }
      if (document.querySelector("dialog[open]")) return;
      if (event.key === "/") search.current?.focus();
      else if (event.key === "j") move(state.current.at + 1);
      else if (event.key === "k") move(state.current.at - 1);
      else if (event.key === "Escape" && state.current.open !== undefined) close();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });

  const filtered = FILTERS.some((name) => name !== "sort" && name !== "descending" && parameters[name]);
  return html`<div class=${open === undefined ? "master" : "master open"}>
    <div class="list">
      <div class="page-head"><h1>Trajectories</h1>
        <p class="result-count" role="status">${rows.loading && rows.total === 0 ? "reading …" : filtered ? `${count(rows.matched)} of ${count(rows.total)}` : count(rows.total)}${file.progress < 1 ? ` · read ${Math.floor(100 * file.progress)} %` : ""}</p></div>
      <${Filters} files=${files} file=${file} parameters=${parameters} set=${set} facets=${rows.facets} search=${search} isPool=${run.hasKept && file.name === "trajectories"} />
      ${rows.error ? html`<${Problem} text=${rows.error} />` : null}
      ${
        !rows.loading && rows.matched === 0
          ? html`<${Empty} title=${filtered ? "No trajectory matches these filters." : `${file.name}.jsonl has no trajectory yet.`}>
            ${filtered ? html`<p><button type="button" onClick=${() => set(Object.fromEntries(FILTERS.map((name) => [name, undefined])))}>Clear the filters</button></p>` : null}</${Empty}>`
          : html`<${VirtualList} ref_=${list} rows=${rows} at=${at} open=${open} parameters=${parameters} set=${set}
              choose=${(index, row) => {
                setAt(index);
                if (row) set({ row: row.row, at: index }, state.current.open !== undefined);
              }} move=${move} />`
      }
    </div>
    ${
      open === undefined
        ? null
        : html`<section class="detail" aria-label="Trajectory">
      <div class="detail-head"><button type="button" onClick=${close}>Close</button><span class="soft">${count(at + 1)} of ${count(rows.matched)}</span><span class="spacer"></span>
        <button type="button" onClick=${() => move(at - 1)} disabled=${at <= 0}>Previous</button><button type="button" onClick=${() => move(at + 1)} disabled=${at >= rows.matched - 1}>Next</button></div>
      <${Conversation} key=${`${file.name}/${open}`} run=${run.id} file=${file.name} row=${open} version=${0} /></section>`
    }</div>`;
}

function Filters({ files, file, parameters, set, facets, search, isPool }) {
  const [text, setText] = useState(parameters.search ?? "");
  const timer = useRef(0);
  useEffect(() => setText(parameters.search ?? ""), [parameters.search]);
  const typed = (value) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => set({ search: value || undefined }), 200);
  };
  const choice = (name, label, values) =>
    html`<label><span>${label}</span><select value=${parameters[name] ?? ""} onChange=${(event) => set({ [name]: event.target.value || undefined })}>
      <option value="">all</option>${values.map(([value, title]) => html`<option value=${value}>${title}</option>`)}</select></label>`;
  const counted = (table) =>
    Object.entries(table ?? {})
      .sort((a, b) => b[1] - a[1])
      .map(([name, n]) => [name, `${name.slice(0, 60)} (${count(n)})`]);
  const [more, setMore] = useState(false);
  const active = ["outcome", "verdict", "tool", "end", "kept", "minTokens", "maxTokens"].filter(
    (name) => parameters[name],
  ).length;
  const verdicts = {
    good: "all good",
    bad: "one is bad",
    failed: "a judgment failed",
    none: "not all judged",
  };
  return html`<form class=${more ? "filters more" : "filters"} role="search" onSubmit=${(event) => event.preventDefault()}>
    <label><span>File</span><select value=${file.name} onChange=${(event) => set({ file: event.target.value, row: undefined, at: undefined })}>
      ${files.map(({ name }) => html`<option value=${name}>${stageName(name)}</option>`)}</select></label>
    <label class="grow"><span>Search</span><input ref=${search} type="search" value=${text} placeholder="question, answer, call or id" onInput=${(event) => typed(event.target.value)} /></label>
    <button type="button" class="more-button" aria-expanded=${more} onClick=${() => setMore(!more)}>Filters${active > 0 ? ` (${active})` : ""}</button>
    ${choice("outcome", "Result", counted(facets?.outcomes))}
    ${choice(
      "verdict",
      "Verdict",
      counted(facets?.verdicts).map(([name, title]) => [name, title.replace(name, verdicts[name])]),
    )}
    ${choice("tool", "Tool", counted(facets?.tools))}
    ${choice("end", "Ended in", counted(facets?.ends))}
    ${
      isPool
        ? choice("kept", "Filter", [
            ["true", "kept"],
            ["false", "dropped"],
          ])
        : null
    }
    <label class="narrow"><span>Tokens from</span><input type="number" min="0" inputmode="numeric" value=${parameters.minTokens ?? ""} onChange=${(event) => set({ minTokens: event.target.value || undefined })} /></label>
    <label class="narrow"><span>to</span><input type="number" min="0" inputmode="numeric" value=${parameters.maxTokens ?? ""} onChange=${(event) => set({ maxTokens: event.target.value || undefined })} /></label>
  </form>`;
}

/** Rows of equal height, of which only the visible ones and a few more exist. */
function VirtualList({ ref_, rows, at, open, choose, move, parameters, set }) {
  const box = useRef(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  useEffect(() => {
    const observer = new ResizeObserver(() => setHeight(box.current?.clientHeight ?? 600));
    observer.observe(box.current);
    ref_.current = {
      focus: () => box.current?.focus(),
      show: (index) => {
        const element = box.current;
        if (!element) return;
        const y = index * ROW;
        if (y < element.scrollTop) element.scrollTop = y;
        else if (y + ROW + HEAD > element.scrollTop + element.clientHeight)
          element.scrollTop = y + ROW + HEAD - element.clientHeight;
      },
    };
    return () => observer.disconnect();
  }, []);
  const first = Math.max(0, Math.floor(top / ROW) - 6);
  const last = Math.min(rows.matched, Math.ceil((top + height) / ROW) + 6);
  useEffect(() => {
    for (let page = Math.floor(first / PAGE); page * PAGE < last; page++) rows.load(page);
  }, [Math.floor(first / PAGE), Math.floor(Math.max(0, last - 1) / PAGE), rows.tick]);
  const pressed = (event) => {
    const step = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: Math.floor(height / ROW) - 1,
      PageUp: 1 - Math.floor(height / ROW),
    }[event.key];
    if (step !== undefined) move(at + step);
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(rows.matched - 1);
    else if (event.key === "Enter") choose(at, rows.row(at));
    else return;
    event.preventDefault();
  };
  const sorted = (name) => (parameters.sort ?? "line") === name;
  const sort = (name) =>
    set(
      sorted(name)
        ? { descending: parameters.descending ? undefined : "true" }
        : { sort: name === "line" ? undefined : name, descending: undefined },
    );
  return html`<div class="rows" role="grid" aria-label="Trajectories: arrow keys move, Enter opens" aria-rowcount=${rows.matched + 1} ref=${box} tabindex="0" aria-activedescendant=${rows.matched > 0 ? `row-${at}` : undefined} onScroll=${(event) => setTop(event.target.scrollTop)} onKeyDown=${pressed}>
    <div role="rowgroup" class="head-group"><div class="row head" role="row" aria-rowindex="1">${COLUMNS.map(
      ([
        name,
        title,
        kind,
      ]) => html`<span role="columnheader" class=${`cell c-${title === "#" ? "line" : title.replace(" ", "-")} ${kind}`} aria-sort=${name && sorted(name) ? (parameters.descending ? "descending" : "ascending") : undefined}>
      ${name ? html`<button type="button" tabindex="-1" onClick=${() => sort(name)}>${title}${sorted(name) ? (parameters.descending ? " ↓" : " ↑") : ""}</button>` : title}</span>`,
    )}</div></div>
    <div class="height" role="rowgroup" style=${{ height: `${rows.matched * ROW}px` }}>
      ${Array.from({ length: Math.max(0, last - first) }, (_, i) => {
        const index = first + i;
        return html`<${Row} key=${index} index=${index} row=${rows.row(index)} active=${index === at} open=${rows.row(index)?.row === open && open !== undefined} choose=${choose} />`;
      })}
    </div></div>`;
}

function Row({ index, row, active, open, choose }) {
  const className = `row${active ? " active" : ""}${open ? " open" : ""}`;
  const style = { transform: `translateY(${index * ROW}px)` };
  if (!row)
    return html`<div class=${className} style=${style} role="row" aria-selected=${active} id=${`row-${index}`} aria-rowindex=${index + 2}><span class="cell soft" role="gridcell">…</span></div>`;
  return html`<div class=${className} style=${style} role="row" aria-selected=${active} id=${`row-${index}`} aria-rowindex=${index + 2} onClick=${() => choose(index, row)}>
    <span class="cell c-line number soft" role="gridcell">${row.row + 1}</span>
    <span class="cell c-question wide" role="gridcell" title=${row.id}><bdi>${visible(row.question)}</bdi></span>
    <span class="cell c-answer" role="gridcell"><bdi>${visible(row.answer ?? "–")}</bdi></span>
    <span class="cell c-result" role="gridcell"><${Outcome} value=${row.outcome} /></span>
    <span class="cell c-steps" role="gridcell"><${Marks} marks=${row.marks} /></span>
    <span class="cell c-calls number" role="gridcell">${row.calls}</span>
    <span class="cell c-tokens number" role="gridcell">${row.tokens === undefined ? "–" : count(row.tokens)}</span>
    <span class="cell c-ended-in" role="gridcell">${row.end}</span>
    <span class="cell c-time number soft" role="gridcell">${seconds(row.milliseconds)}</span></div>`;
}

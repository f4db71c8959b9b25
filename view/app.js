/** The frame of the page: runs on the left, views above, and the keys that work everywhere. */
import { address, go, useAddress, useRuns } from "./api.js";
import { Compare } from "./compare.js";
import { Curves } from "./curves.js";
import { Overview } from "./overview.js";
import { ago, Empty, html, isTyping, Problem, runColor } from "./parts.js";
import { Question } from "./question.js";
import { Trajectories } from "./trajectories.js";
import { Updates } from "./updates.js";
import { useEffect, useRef, useState } from "./vendor/hooks.js";
import { render } from "./vendor/preact.js";

const PAGES = [
  ["overview", "Overview", "o"],
  ["curves", "Curves", "c"],
  ["trajectories", "Trajectories", "t"],
  ["updates", "Updates", "u"],
  ["compare", "Compare", "m"],
];

function App() {
  const { page, parameters } = useAddress();
  const state = useRuns();
  const [hidden, setHidden] = useState(() => new Set());
  const help = useRef(null);
  const { runs } = state;
  const current = runs?.find(({ id }) => String(id) === (parameters.run ?? "").split(",")[0]) ?? runs?.[0];

  useEffect(() => {
    const title = PAGES.find(([name]) => name === page)?.[1] ?? "Question";
    document.title = `${current ? `${current.name} · ` : ""}${title} · swirl view`;
  }, [page, current?.name]);

  useEffect(() => {
    const pressed = (event) => {
      if (isTyping(event)) return;
      const target = PAGES.find(([, , key]) => key === event.key);
      if (target) go(target[0], { run: current?.id });
      else if (event.key === "?") help.current?.showModal();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [current?.id]);

  const toggle = (id) =>
    setHidden((old) => {
      const next = new Set(old);
      if (!next.delete(id)) next.add(id);
      return next;
    });

  return html`
    <a class="skip" href="#main" onClick=${(event) => {
      event.preventDefault();
      document.getElementById("main")?.focus();
    }}>Skip to the content</a>
    <header class="top">
      <a class="brand" href=${address("overview", { run: current?.id })}><img src="/icon.svg" alt="" width="22" height="22" /> swirl view</a>
      <nav aria-label="Views">
        ${PAGES.map(([name, title]) => html`<a href=${address(name, { run: current?.id })} aria-current=${page === name || (page === "question" && name === "trajectories") ? "page" : undefined}>${title}</a>`)}
      </nav>
      <span class="top-end">
        <span class=${`connection ${state.connected ? "on" : "off"}`}>${state.connected ? "following" : "not connected"}</span>
        <button type="button" class="icon-button" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick=${() => help.current?.showModal()}>?</button>
        <${Theme} />
      </span>
    </header>
    <div class="body">
      ${runs && runs.length > 0 ? html`<${RunList} runs=${runs} page=${page} current=${current} hidden=${hidden} toggle=${toggle} />` : null}
      <main id="main" tabindex="-1">
        ${state.error ? html`<${Problem} text=${`The server does not answer: ${state.error}. Is \`swirl view\` still running?`} />` : null}
        <${Page} page=${page} parameters=${parameters} state=${state} current=${current} hidden=${hidden} />
      </main>
    </div>
    <dialog ref=${help} aria-label="Keyboard shortcuts" onClick=${(event) => event.target === help.current && help.current.close()}>
      <h2>Keyboard shortcuts</h2>
      <dl class="keys">
        ${PAGES.map(([, title, key]) => html`<dt><kbd>${key}</kbd></dt><dd>${title}</dd>`)}
        <dt><kbd>/</kbd></dt><dd>search trajectories</dd>
        <dt><kbd>↑</kbd> <kbd>↓</kbd> <kbd>Home</kbd> <kbd>End</kbd></dt><dd>move in the table</dd>
        <dt><kbd>Enter</kbd></dt><dd>open the trajectory</dd>
        <dt><kbd>j</kbd> <kbd>k</kbd></dt><dd>next or previous trajectory</dd>
        <dt><kbd>←</kbd> <kbd>→</kbd></dt><dd>previous or next update</dd>
        <dt><kbd>Esc</kbd></dt><dd>close</dd>
      </dl>
      <form method="dialog"><button>Close</button></form>
    </dialog>`;
}

function Page({ page, parameters, state, current, hidden }) {
  const { runs, versions } = state;
  if (!runs) return html`<p class="soft" role="status">Reading …</p>`;
  if (!current)
    return html`<h1>No run yet</h1><${Empty} title="A run that begins here appears by itself.">
      <p>Looked in <code>${state.folders.join(", ")}</code>. Start one, for example:</p><pre>npx swirl demo</pre></${Empty}>`;
  const version = versions[current.id] ?? 0;
  const shared = { runs, run: current, version, versions, parameters, hidden };
  if (page === "curves") return html`<${Curves} ...${shared} />`;
  if (page === "trajectories") return html`<${Trajectories} key=${current.id} ...${shared} />`;
  if (page === "question") return html`<${Question} ...${shared} />`;
  if (page === "updates") return html`<${Updates} key=${current.id} ...${shared} />`;
  if (page === "compare") return html`<${Compare} ...${shared} />`;
  return html`<${Overview} ...${shared} />`;
}

function RunList({ runs, page, current, hidden, toggle }) {
  const overlays = page === "curves";
  return html`<aside class="runs" aria-label="Runs">
    <h2>Runs</h2>
    <ul>
      ${runs.map(
        (run) => html`<li key=${run.id} class=${run === current ? "current" : ""}>
          ${
            overlays
              ? html`<input type="checkbox" checked=${!hidden.has(run.id)} onChange=${() => toggle(run.id)} aria-label=${`Show ${run.name} in the curves`} style=${{ accentColor: runColor(run.id) }} />`
              : html`<i class="swatch" style=${{ background: runColor(run.id) }}></i>`
          }
          <a href=${address(page === "question" ? "trajectories" : page, { run: run.id })} aria-current=${run === current ? "true" : undefined} title=${run.folder}>
            <span class="run-name">${run.name}</span>
            <span class=${run.live ? "run-time live" : "run-time"}>${run.live ? "live" : ago(run.modified)}</span>
          </a>
        </li>`,
      )}
    </ul>
  </aside>`;
}

const THEMES = ["system", "light", "dark"];

function Theme() {
  const [theme, set] = useState(() => {
    try {
      return localStorage.getItem("swirl-theme") ?? "system";
    } catch {
      return "system";
    }
  });
  useEffect(() => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    dispatchEvent(new Event("themechange"));
    try {
      localStorage.setItem("swirl-theme", theme);
    } catch {}
  }, [theme]);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  return html`<button type="button" class="icon-button" aria-label=${`Colors: ${theme}. Change to ${next}`} title=${`Colors: ${theme}`} onClick=${() => set(next)}>${theme === "dark" ? "☾" : theme === "light" ? "☀" : "◐"}</button>`;
}

render(html`<${App} />`, document.getElementById("app"));

/** The fresh actions of an update, with their rewards and advantages, as actions.jsonl records them. */
import { address, get, useAnswer } from "./api.js";
import { Scale, Tokens } from "./conversation.js";
import { count, Empty, html, isTyping, Problem, short, signed, Text, Verdict, visible } from "./parts.js";
import { useEffect, useState } from "./vendor/hooks.js";

export function Updates({ run, version, parameters }) {
  const list = useAnswer("steps", { run: run.id }, version);
  const steps = list.value?.steps ?? [];
  const [chosen, choose] = useState(parameters.step === undefined ? undefined : Number(parameters.step));
  const [color, setColor] = useState("advantage");
  const step = chosen ?? steps.at(-1);
  const at = steps.indexOf(step);
  const { value, error } = useAnswer("actions", step === undefined ? undefined : { run: run.id, step });
  const show = (index) => {
    const next = steps[Math.max(0, Math.min(steps.length - 1, index))];
    if (next !== undefined) choose(next);
  };
  useEffect(() => {
    const pressed = (event) => {
      if (isTyping(event)) return;
      if (event.key === "ArrowRight") show(at + 1);
      else if (event.key === "ArrowLeft") show(at - 1);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });
  if (!list.value)
    return html`<h1>Updates</h1>${list.error ? html`<${Problem} text=${list.error} />` : html`<p class="soft" role="status">Reading …</p>`}`;
  if (steps.length === 0)
    return html`<h1>Updates</h1><${Empty} title="No fresh actions are recorded.">
      <p>${run.metrics.rows > 0 ? "This run was trained by a version, or a script, that did not record them: " : "Training has not begun: "}
      <code>swirl train</code> and <code>swirl run</code> write <code>actions.jsonl</code>, the function <code>train</code> with the option <code>actionsFile</code>.</p></${Empty}>`;
  const states = Array.isArray(value?.states) ? value.states : [];
  const largest = Math.max(
    1e-9,
    ...states.flatMap(({ actions }) => actions.map(({ advantage }) => Math.abs(advantage ?? 0))),
  );
  return html`
    <div class="page-head"><h1>Update ${step}</h1>
      <div class="controls">
        <button type="button" onClick=${() => show(at - 1)} disabled=${at <= 0} aria-label="Previous update">←</button>
        <input type="range" min="0" max=${steps.length - 1} value=${at} aria-label="Update" aria-valuetext=${`update ${step}`} onInput=${(event) => show(Number(event.target.value))} />
        <button type="button" onClick=${() => show(at + 1)} disabled=${at >= steps.length - 1} aria-label="Next update">→</button>
        <label class="check"><input type="checkbox" checked=${chosen === undefined} onChange=${(event) => choose(event.target.checked ? undefined : step)} /> Follow the newest</label>
        <label>Color by <select value=${color} onChange=${(event) => setColor(event.target.value)}><option value="advantage">advantage</option><option value="logprob">log-prob</option></select></label>
      </div></div>
    ${error ? html`<${Problem} text=${error} />` : null}
    ${value ? html`<p class="lead">Fresh actions at ${states.length} of the ${count(value.batch ?? states.length)} states of this update, evenly spread; those with the largest advantages come first. An action is judged, never executed; a positive advantage makes it more likely.</p>` : null}
    ${color === "logprob" ? html`<${Scale} />` : null}
    <div class="states">${[...states].sort((a, b) => most(b) - most(a)).map((state) => html`<${State} key=${`${step}/${state.trajectory}/${state.state}`} state=${state} run=${run} color=${color} largest=${largest} />`)}</div>`;
}

/** The largest advantage at a state. */
const most = ({ actions }) => Math.max(0, ...actions.map(({ advantage }) => Math.abs(advantage ?? 0)));

function State({ state, run, color, largest }) {
  const [problem, setProblem] = useState(undefined);
  const open = async (event) => {
    event.preventDefault();
    for (const file of ["trajectories", "kept"]) {
      if (!run.tables.some(({ name }) => name === file)) continue;
      const { rows } = await get("rows", { run: run.id, file, search: state.trajectory, limit: 200 });
      const row = rows.find(({ id }) => id === state.trajectory);
      if (row) {
        location.hash = address("trajectories", {
          run: run.id,
          file,
          search: state.trajectory,
          row: row.row,
        });
        return;
      }
    }
    setProblem("The trajectory of this state is in no file of this run.");
  };
  const rewards = state.actions.flatMap(({ reward }) => (reward === null ? [] : [reward]));
  const mean = rewards.reduce((sum, value) => sum + value, 0) / Math.max(1, rewards.length);
  return html`<section class="state">
    <h2><bdi>${visible(state.question)}</bdi></h2>
    <p class="facts-line"><a href="#" onClick=${open}>state ${state.state + 1} of <bdi>${visible(state.trajectory)}</bdi></a><span>mean reward <b>${short(mean)}</b></span>
      ${state.samples > state.actions.length ? html`<span>${state.actions.length} of ${state.samples} actions</span>` : null}</p>
    ${problem ? html`<${Problem} text=${problem} />` : null}
    <details><summary>Recorded action</summary><div class="said"><${Text} text=${state.recorded} limit=${1500} /></div></details>
    <ol class="actions">${state.actions.map((action) => html`<${Action} action=${action} color=${color} largest=${largest} />`)}</ol></section>`;
}

function Action({ action, color, largest }) {
  const { advantage, reward } = action;
  const share = advantage === null ? 0 : advantage / largest;
  const side = share >= 0 ? "up" : "down";
  const tokens = color === "logprob" && action.pieces && action.logprobs;
  return html`<li class=${`action ${side}`} style=${{ "--share": Math.abs(share).toFixed(2) }}>
    <div class="action-numbers"><span><span class="soft">reward</span> <b>${reward === null ? "masked" : short(reward)}</b></span>
      <span><span class="soft">advantage</span> <b class=${advantage > 0 ? "gain" : advantage < 0 ? "loss" : ""}>${advantage === null ? "none" : signed(advantage, 3)}</b></span>
      ${action.parts ? Object.entries(action.parts).map(([name, value]) => html`<span><span class="soft">${name}</span> <b>${short(value)}</b></span>`) : null}
      <${Verdict} verdict=${action.verdict} />${action.finishReason === "length" ? html`<span class="tag failed">cut off</span>` : null}</div>
    <div class=${color === "advantage" ? "said tinted" : "said"}>${tokens ? html`<${Tokens} pieces=${action.pieces} logprobs=${action.logprobs} />` : html`<${Text} text=${action.text.trim() || "(empty)"} limit=${1500} />`}</div>
    ${action.verdict?.reason ? html`<p class="reason-text"><span class="soft">judge:</span> <${Text} text=${action.verdict.reason} limit=${600} /></p>` : null}
    ${action.verdict?.error ? html`<p class="reason-text"><span class="soft">judge:</span> <${Text} text=${action.verdict.error} limit=${600} /></p>` : null}</li>`;
}

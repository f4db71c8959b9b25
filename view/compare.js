/** Two evaluations, question by question: `swirl compare` as a page. */
import { address, go, useAnswer } from "./api.js";
import { Difference } from "./overview.js";
import {
  count,
  Empty,
  html,
  Intervals,
  Problem,
  percent,
  runColor,
  signed,
  stageName,
  visible,
} from "./parts.js";

export function Compare({ runs, run, parameters, versions }) {
  const choices = runs.flatMap((each) =>
    each.tables
      .filter(({ kind, accuracy }) => kind === "evaluation" && accuracy?.n > 0)
      .map(({ name }) => ({
        run: each.id,
        file: name,
        value: `${each.id}/${name}`,
        title: `${each.name} · ${stageName(name)}`,
      })),
  );
  const own = choices.filter((choice) => choice.run === run.id && choice.file.startsWith("evaluation-"));
  const find = (value) => choices.find((choice) => choice.value === value);
  const a = find(parameters.a) ?? own[0] ?? choices[0];
  const b = find(parameters.b) ?? own.at(-1) ?? choices.at(-1);
  const set = (changes) =>
    go("compare", { run: run.id, a: a?.value, b: b?.value, common: parameters.common, ...changes }, true);
  const ready = a && b && a !== b;
  const version = ready ? (versions[a.run] ?? 0) + (versions[b.run] ?? 0) : 0;
  const { value, error } = useAnswer(
    "compare",
    ready
      ? {
          beforeRun: a.run,
          beforeFile: a.file,
          afterRun: b.run,
          afterFile: b.file,
          common: parameters.common,
        }
      : undefined,
    version,
  );
  if (choices.length < 2)
    return html`<h1>Compare</h1><${Empty} title=${choices.length === 0 ? "There is no evaluation yet." : "There is one evaluation: a comparison needs two."}>
      <p>Evaluate with <code>swirl eval</code> or <code>swirl run</code>, or open a second run: <code>swirl view RUN RUN</code>.</p></${Empty}>`;
  const select = (label, chosen, name) =>
    html`<label><span>${label}</span><select value=${chosen.value} onChange=${(event) => set({ [name]: event.target.value })}>${choices.map((choice) => html`<option value=${choice.value}>${choice.title}</option>`)}</select></label>`;
  return html`
    <div class="page-head"><h1>Compare</h1></div>
    <div class="filters">${select("Before", a, "a")}${select("After", b, "b")}
      <button type="button" onClick=${() => set({ a: b.value, b: a.value })}>Swap</button>
      <label class="check"><input type="checkbox" checked=${parameters.common === "true"} onChange=${(event) => set({ common: event.target.checked ? "true" : undefined })} /> Only questions in both</label></div>
    ${a === b ? html`<${Empty} title="Choose two different evaluations."></${Empty}>` : null}
    ${error ? html`<${Problem} text=${error.replace(/ \(--common\)| with common: true \(--common\)/, " with “Only questions in both”")} />` : null}
    ${value && ready ? html`<${Result} value=${value} a=${a} b=${b} />` : null}`;
}

function Result({ value, a, b }) {
  const { difference } = value;
  const extent = Math.max(Math.abs(difference.low), Math.abs(difference.high));
  const reach = [0.04, 0.1, 0.2, 0.4, 0.6, 0.8, 1].find((each) => each >= extent) ?? 1;
  const points = (number, digits = 1) => signed(100 * number, digits);
  const left = [
    [value.unchecked, "could not be checked in both"],
    [value.onlyBefore, "only in the first"],
    [value.onlyAfter, "only in the second"],
  ].filter(([n]) => n > 0);
  return html`
    <p class="headline"><${Difference} value=${difference} /> <span class="soft">on ${count(value.questions)} questions, paired, 95 %</span></p>
    ${left.length > 0 ? html`<p class="soft">Left out: ${left.map(([n, why]) => `${count(n)} ${why}`).join(", ")}.</p>` : null}
    <div class="columns">
      <figure><figcaption>Accuracy on these questions</figcaption><${Intervals} title="Accuracy" rows=${[
        { label: a.run === b.run ? stageName(a.file) : a.title, ...value.before, color: runColor(a.run) },
        { label: a.run === b.run ? stageName(b.file) : b.title, ...value.after, color: runColor(b.run) },
      ]} /></figure>
      <figure><figcaption>Difference, points</figcaption><${Intervals} title="Difference in points" min=${-reach} max=${reach} format=${points} rows=${[{ label: "after − before", ...difference, color: runColor(b.run) }]} /></figure>
    </div>
    <div class="scroll"><table class="small-table"><caption class="visually-hidden">Questions by result in both evaluations</caption>
      <thead><tr><td></td><th scope="col" class="number">right after</th><th scope="col" class="number">wrong after</th></tr></thead>
      <tbody><tr><th scope="row">right before</th><td class="number">${count(value.bothRight)}</td><td class="number loss">${count(value.lostCount)}</td></tr>
      <tr><th scope="row">wrong before</th><td class="number gain">${count(value.gainedCount)}</td><td class="number">${count(value.bothWrong)}</td></tr></tbody></table></div>
    <${Changed} title="Was wrong, is right" list=${value.gained} total=${value.gainedCount} a=${a} b=${b} />
    <${Changed} title="Was right, is wrong" list=${value.lost} total=${value.lostCount} a=${a} b=${b} />
    <p class="note">One comparison says nothing about the spread over seeds of training. Accuracy before ${percent(value.before.value)}, after ${percent(value.after.value)}.</p>`;
}

function Changed({ title, list, total, a, b }) {
  return html`<section><h2>${title} <span class="soft">${count(total)}</span></h2>
    ${
      list.length === 0
        ? html`<p class="soft">None.</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label=${title}><table class="changed"><thead><tr><th scope="col">question</th><th scope="col">before</th><th scope="col">after</th></tr></thead>
      <tbody>${list.map(
        (
          item,
        ) => html`<tr><td><a href=${address("question", { run: [...new Set([a.run, b.run])].join(), question: item.id, files: `${a.value},${b.value}` })}><bdi>${visible(item.question)}</bdi></a></td>
        <td class="break"><bdi>${visible((item.before ?? "–").slice(0, 80))}</bdi></td><td class="break"><bdi>${visible((item.after ?? "–").slice(0, 80))}</bdi></td></tr>`,
      )}</tbody></table></div>
      ${total > list.length ? html`<p class="soft">The first ${count(list.length)} are listed; <code>swirl compare --json</code> has all.</p>` : null}`
    }</section>`;
}

/** One question under several policies, side by side. */
import { useAnswer } from "./api.js";
import { Conversation } from "./conversation.js";
import { Empty, html, Problem, stageName } from "./parts.js";
import { useState } from "./vendor/hooks.js";

export function Question({ runs, run, parameters }) {
  const ids = (parameters.run ?? String(run.id)).split(",");
  const { value, error } = useAnswer("question", {
    run: [...new Set(ids)].join(),
    question: parameters.question,
  });
  const [off, setOff] = useState(() => new Set());
  if (error) return html`<h1>Question</h1><${Problem} text=${error} />`;
  if (!value) return html`<p class="soft" role="status">Reading …</p>`;
  const { records } = value;
  if (records.length === 0)
    return html`<h1>Question ${parameters.question}</h1><${Empty} title="No evaluation has this question.">
      <p>Evaluations ask held-out questions; this one was trained on.</p></${Empty}>`;
  const wanted = parameters.files?.split(",");
  const name = (record) => `${ids.length > 1 ? `${record.runName} · ` : ""}${stageName(record.file)}`;
  const keyOf = ({ run: id, file }) => `${id}/${file}`;
  const byDefault = (record) =>
    wanted
      ? wanted.includes(keyOf(record))
      : record.file.startsWith("evaluation-") || !records.some(({ file }) => file.startsWith("evaluation-"));
  const shown = records.filter((record) => byDefault(record) !== off.has(keyOf(record)));
  const toggle = (key) =>
    setOff((old) => {
      const next = new Set(old);
      if (!next.delete(key)) next.add(key);
      return next;
    });
  return html`
    <${Title} record=${records[0]} runs=${runs} />
    <fieldset class="controls"><legend class="visually-hidden">Evaluations</legend>
      ${records.map((record) => html`<label class="check"><input type="checkbox" checked=${shown.includes(record)} onChange=${() => toggle(keyOf(record))} /> ${name(record)}</label>`)}</fieldset>
    <div class="side-by-side">${shown.map(
      (record) => html`<section key=${keyOf(record)} aria-label=${name(record)}><h2>${name(record)}</h2>
      <${Conversation} run=${record.run} file=${record.file} row=${record.row} compact=${true} /></section>`,
    )}</div>`;
}

function Title({ record }) {
  const { value } = useAnswer("record", record);
  return html`<h1 class="question"><bdi>${value?.question.slice(0, 1500) ?? "Question"}</bdi></h1>`;
}

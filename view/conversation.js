/** One trajectory as a conversation: thoughts folded, calls, observations, and the judge's verdict on each step. */
import { address, useAnswer } from "./api.js";
import { count, html, Outcome, Problem, seconds, Text, Verdict, visible } from "./parts.js";
import { useState } from "./vendor/hooks.js";

export function Conversation({ run, file, row, version, compact = false, heading = 2 }) {
  const { value, error } = useAnswer("record", { run, file, row }, version);
  const [colored, setColored] = useState(false);
  const tokens = useAnswer("tokens", colored ? { run, file, row } : undefined);
  if (error) return html`<${Problem} text=${error} />`;
  if (!value) return html`<p class="soft" role="status">Reading …</p>`;
  const { shown, steps } = value;
  const H = `h${heading}`;
  const hasTokens = steps.some(({ tokens: n }) => n > 0);
  return html`<article class=${compact ? "conversation compact" : "conversation"}>
    ${compact ? null : html`<${H} class="question"><${Text} text=${value.question} limit=${1500} /></${H}>`}
    <p class="facts-line"><${Outcome} value=${shown.outcome} />
      ${shown.kept === undefined ? null : html`<span class=${`tag ${shown.kept ? "right" : "unchecked"}`}>${shown.kept ? "kept" : "dropped"}</span>`}
      <span>ended in <b>${value.end}</b></span><span>${steps.length} steps</span>${shown.tokens === undefined ? null : html`<span>${count(shown.tokens)} tokens</span>`}<span>${seconds(shown.milliseconds)}</span></p>
    ${value.error ? html`<${Problem} text=${value.error} />` : null}
    <dl class="answers"><dt>answer</dt><dd>${value.answer === undefined ? html`<span class="soft">none</span>` : html`<${Text} text=${value.answer} limit=${600} />`}</dd>
      <dt>accepted</dt><dd>${value.gold.length === 0 ? html`<span class="soft">unknown</span>` : html`<bdi>${visible(value.gold.join(" or "))}</bdi>`}${value.matcher ? html` <span class="soft">matcher ${value.matcher}</span>` : null}</dd></dl>
    ${
      compact
        ? null
        : html`<div class="controls">
      <label class="check"><input type="checkbox" checked=${colored} disabled=${!hasTokens} onChange=${(event) => setColored(event.target.checked)} /> Color tokens by log-prob</label>
      <a href=${address("question", { run, question: value.questionId })}>All answers to this question</a></div>`
    }
    ${colored && tokens.value?.problem ? html`<${Problem} text=${tokens.value.problem} />` : null}
    ${colored && tokens.error ? html`<${Problem} text=${tokens.error} />` : null}
    ${colored && tokens.value?.steps ? html`<${Scale} />` : null}
    <details class="prompt"><summary>Prompt, ${value.prompt.length} ${value.prompt.length === 1 ? "message" : "messages"}</summary>
      ${value.prompt.map(({ role, content }) => html`<div class="message"><span class="role">${role}</span><div class="said"><${Text} text=${content} /></div></div>`)}</details>
    <ol class="steps">${steps.map((step, i) => html`<${Step} step=${step} number=${i + 1} tokens=${colored ? tokens.value?.steps?.[i] : undefined} />`)}</ol>
    ${steps.length === 0 ? html`<p class="soft">The policy made no step.</p>` : null}
    ${compact ? null : html`<p class="note">policy ${value.policy} · seed ${value.seed} · sample ${value.sample}${value.judge ? ` · judge ${value.judge}` : ""}</p>`}
  </article>`;
}

function Step({ step, number, tokens }) {
  const { verdict, observation } = step;
  return html`<li class=${`step ${verdict?.status === "ok" ? (verdict.good ? "good" : "bad") : ""}`}>
    <div class="step-head"><span class="step-number">${number}</span><span class="kind">${step.kind}${step.call ? html` <bdi class="tool">${visible(step.call.name)}</bdi>` : null}</span>
      ${step.problem ? html`<span class="tag wrong">${step.problem}</span>` : null}
      ${step.finishReason === "length" ? html`<span class="tag failed">cut off</span>` : null}
      <span class="spacer"></span>${step.logprob === undefined ? null : html`<span class="soft" title="Log-prob of the whole action">${step.tokens} tokens, ${step.logprob.toFixed(2).replace("-", "−")} nats</span>`}<${Verdict} verdict=${verdict} /></div>
    <div class="said">${
      tokens
        ? html`<${Tokens} pieces=${tokens.pieces} logprobs=${tokens.logprobs} />`
        : step.parts.map((part) =>
            part.thought
              ? html`<details class="thought"><summary>Thought, ${count(part.text.length)} characters</summary><${Text} text=${part.text} /></details>`
              : html`<${Text} text=${part.text.trim()} />`,
          )
    }${step.parts.length === 0 && !tokens ? html`<span class="soft">(empty)</span>` : null}</div>
    ${verdict?.reason ? html`<p class="reason-text"><span class="soft">judge:</span> <${Text} text=${verdict.reason} limit=${1200} /></p>` : null}
    ${verdict?.status === "failed" ? html`<p class="reason-text"><span class="soft">judge:</span> <${Text} text=${verdict.error ?? ""} limit=${1200} /></p>` : null}
    ${observation ? html`<div class=${observation.error ? "observation error" : "observation"}><span class="role">${observation.error ? "error or notice" : "observation"}</span><${Text} text=${observation.text.trim()} limit=${3000} /></div>` : null}
  </li>`;
}

/** Shade of a log-prob: 0 for certain, 1 for -5 nats and below. */
export const shade = (logprob) => Math.min(1, Math.max(0, -logprob / 5));

export function Tokens({ pieces, logprobs }) {
  return html`<bdi class="text tokens">${pieces.slice(0, 4000).map((piece, i) => html`<span class="token" style=${{ "--shade": shade(logprobs[i]).toFixed(2) }} title=${`${JSON.stringify(piece)} ${logprobs[i].toFixed(3)} nats, ${(100 * Math.exp(logprobs[i])).toFixed(1)} %`}>${visible(piece)}</span>`)}</bdi>`;
}

export function Scale() {
  return html`<p class="scale" aria-hidden="true">certain ${[0, 0.2, 0.4, 0.6, 0.8, 1].map((value) => html`<span class="token" style=${{ "--shade": value }}>${(-5 * value).toFixed(0).replace("-", "−")}</span>`)} nats</p>`;
}

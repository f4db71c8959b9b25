/** Components shared by all pages. Text of models and datasets only becomes text nodes. */
import { useEffect, useRef, useState } from "./vendor/hooks.js";
import htm from "./vendor/htm.js";
import { h } from "./vendor/preact.js";

export const html = htm.bind(h);

/** Maximum characters of one text before a button shows the rest. */
const SHOWN = 8000;
/** Control characters and marks that reorder or hide text: shown as code points. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it matches exactly these
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/;

/** A text with reordering and hidden characters made visible. */
export function visible(text) {
  if (!HIDDEN.test(text)) return text;
  return text
    .split(new RegExp(`(${HIDDEN.source})`))
    .map((part) =>
      part.length === 1 && HIDDEN.test(part)
        ? html`<span class="hidden-character">${`U+${part.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`}</span>`
        : part,
    );
}

/** A text that may be very long. */
export function Text({ text, limit = SHOWN }) {
  const [whole, setWhole] = useState(false);
  if (text.length <= limit || whole) return html`<bdi class="text">${visible(text)}</bdi>`;
  return html`<bdi class="text">${visible(text.slice(0, limit))}…</bdi>
    <button type="button" class="link" onClick=${() => setWhole(true)}>Show all ${count(text.length)} characters</button>`;
}

export const count = (value) => value.toLocaleString("en-US");
export const percent = (value, digits = 1) =>
  Number.isFinite(value) ? `${(100 * value).toFixed(digits)} %` : "–";
export const signed = (value, digits = 1) =>
  `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(digits)}`;

/** A number in at most a few characters. */
export function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text =
    size >= 1e5 || size < 1e-3
      ? value.toExponential(1).replace("e+", "e")
      : String(Number(value.toPrecision(3)));
  return text.replaceAll("-", "−");
}

export function seconds(milliseconds) {
  if (!Number.isFinite(milliseconds)) return "–";
  return milliseconds < 10_000
    ? `${(milliseconds / 1000).toFixed(2)} s`
    : `${Math.round(milliseconds / 1000)} s`;
}

export function ago(time) {
  const passed = (Date.now() - time) / 1000;
  if (!time) return "";
  if (passed < 90) return "just now";
  if (passed < 5400) return `${Math.round(passed / 60)} min ago`;
  if (passed < 129_600) return `${Math.round(passed / 3600)} h ago`;
  return `${Math.round(passed / 86_400)} days ago`;
}

/** "evaluation-trained" → "trained". */
export const stageName = (file) => file.replace(/^evaluation-/, "");

export function Empty({ title, children }) {
  return html`<div class="empty"><p class="empty-title">${title}</p><div>${children}</div></div>`;
}

export function Problem({ text }) {
  return html`<p class="problem" role="alert">${text}</p>`;
}

export function Outcome({ value }) {
  return html`<span class=${`tag ${value.replace(" ", "-")}`}>${value}</span>`;
}

const MARK_NAMES = { G: "good", B: "bad", F: "judgment failed", "-": "not judged" };

/** One square per step. */
export function Marks({ marks }) {
  if (marks === "") return html`<span class="soft">–</span>`;
  const shown = [...marks.slice(0, 12)];
  const names = shown.map((mark) => MARK_NAMES[mark]).join(", ");
  return html`<span class="marks" role="img" aria-label=${`steps: ${names}`} title=${names}>
    ${shown.map((mark) => html`<i class=${`mark ${mark === "-" ? "none" : mark}`}></i>`)}
    ${marks.length > 12 ? html`<span class="soft">+${marks.length - 12}</span>` : null}
  </span>`;
}

export function Verdict({ verdict }) {
  if (!verdict) return html`<span class="tag unchecked">not judged</span>`;
  if (verdict.status !== "ok") return html`<span class="tag failed">judgment failed</span>`;
  const share =
    verdict.votes > 1 || (verdict.score > 0 && verdict.score < 1) ? ` ${verdict.score.toFixed(2)}` : "";
  return html`<span class=${`tag ${verdict.good ? "right" : "wrong"}`}>${verdict.good ? "good" : "bad"}${share}</span>`;
}

/**
 * Rates with their intervals on one axis. `rows`: `{ label, value, low, high, n, color?, text? }`, from `min` to `max`.
 */
export function Intervals({ rows, min = 0, max = 1, title, format = percent }) {
  const at = (value) => `${(100 * (Math.min(max, Math.max(min, value)) - min)) / (max - min)}%`;
  const ticks = Array.from({ length: 5 }, (_, i) => min + ((max - min) * i) / 4);
  return html`<div class="intervals" role="table" aria-label=${title}>
    ${rows.map(
      (row) => html`<div class="interval" role="row">
        <span class="interval-label" role="cell">${row.label}</span>
        <span class="interval-track" role="cell" aria-label=${`from ${format(row.low)} to ${format(row.high)}`}>
          ${ticks.map((tick) => html`<i class=${tick === 0 && min < 0 ? "grid zero" : "grid"} style=${{ left: at(tick) }}></i>`)}
          <i class="whisker" style=${{ left: at(row.low), right: `calc(100% - ${at(row.high)})`, background: row.color }}></i>
          <i class="dot" style=${{ left: at(row.value), background: row.color }}></i>
        </span>
        <span class="interval-value" role="cell"><strong>${format(row.value)}</strong> <span class="soft">[${format(row.low).replace(" %", "")}, ${format(row.high).replace(" %", "")}]</span></span>
      </div>`,
    )}
    <div class="interval axis" aria-hidden="true"><span></span><span class="interval-track">${ticks.map((tick) => html`<b style=${{ left: at(tick) }}>${format(tick, 0)}</b>`)}</span><span></span></div>
  </div>`;
}

/** The width of an element, updated when it changes. */
export function useWidth() {
  const ref = useRef(null);
  const [width, set] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => set(Math.round(entry.contentRect.width)));
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** Colors of runs and of categories: distinguishable by the color-blind, readable on light and dark. */
const COLORS = ["#3b74d9", "#d9722b", "#2c9a6a", "#b3528f", "#8a6fd1", "#a9861a", "#2b9bb3", "#c74a4a"];
export const runColor = (id) => COLORS[id % COLORS.length];

/** Whether a key press is meant for a field. */
export const isTyping = (event) =>
  /^(INPUT|SELECT|TEXTAREA)$/.test(event.target?.tagName ?? "") ||
  event.ctrlKey ||
  event.metaKey ||
  event.altKey;

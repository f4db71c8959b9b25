/**
 * Parameters of chat.completions that a server refuses are left out, or sent under their other name, once it says so.
 *
 * Model families differ in what they take: OpenAI's reasoning models refuse temperature, top_p, stop, log-probs and
 * max_tokens, Claude temperature together with top_p, Mistral seed, text-generation-inference a top_p of 1. Servers and
 * gateways word this differently, and often quote the inner server's error in their own.
 */
import { APIError } from "openai";
import { SwirlError } from "../errors/swirl-error.js";

/** What happens instead of a parameter; undefined: nothing can replace it, and the request fails. */
const INSTEAD = {
  temperature: "the model's own temperature is used",
  top_p: "the model's own top_p is used",
  seed: "replies cannot be repeated",
  stop: "replies are truncated here after the first stop string",
  n: "replies are asked for one by one",
  max_tokens: "max_completion_tokens is sent",
  max_completion_tokens: "max_tokens is sent",
  logprobs: undefined,
  top_logprobs: undefined,
} as const;

type Parameter = keyof typeof INSTEAD;

const OTHER_LIMIT: Readonly<Record<string, Parameter>> = {
  max_tokens: "max_completion_tokens",
  max_completion_tokens: "max_tokens",
};

const REFUSING_STATUS = new Set([400, 403, 422, 500, 501]);
const REFUSAL =
  /unsupported|(\bnot|n't)\s+(?:be\s+|currently\s+|yet\s+)?(support|permit|allow|accept|enabl|recogni|available)|unrecogni[sz]ed|unknown (name|parameter|field|argument|property)|unexpected (keyword|field|argument|property)|extra[ _](inputs|fields|forbidden)|only the default|only [\w ]+=? ?\d+(\.\d+)? is (supported|allowed)|cannot both|may only be|only one (completion )?choice|multiple (candidates|choices|completions)/i;
/** A refused value, not a refused parameter. It counts where leaving the value out changes nothing that was asked for. */
const OUT_OF_RANGE =
  /must be|at (most|least)|(less|greater) than|max(imum)? (allowed|length)|too (long|many)/i;
const VALUE_IS_FREE: readonly Parameter[] = ["n", "stop", "seed", "logprobs", "top_logprobs"];
/** A limit above what the server allows is an error to report: without it, replies would have another one. */
const LIMIT_TOO_LARGE = /too (large|long|high|many)|maximum|exceed|context (length|window)/i;

/** What one server refuses. It is remembered once a request without it was answered. */
export class RefusedParameters {
  readonly #refused = new Set<Parameter>();
  readonly #onRefused: (name: Parameter, instead: string) => void;

  /** `onRefused` is called once per parameter. */
  constructor(onRefused: (name: Parameter, instead: string) => void) {
    this.#onRefused = onRefused;
  }

  /**
   * Sends `body` overridden by `extra`, where null leaves a field out. When the server refuses a parameter of `body`,
   * sends the request again without it, at once. What `extra` gives is never left out. Rejects with code "CONFIG" when
   * a parameter is refused that nothing can replace.
   */
  async send<T>(
    body: Readonly<Record<string, unknown>>,
    extra: Readonly<Record<string, unknown>>,
    request: (fields: Record<string, unknown>) => Promise<T>,
  ): Promise<T> {
    const refused = new Set<Parameter>(this.#refused);
    for (;;) {
      const ours = without(body, refused);
      const fields = overlaid(ours, extra);
      try {
        const result = await request(fields);
        for (const name of refused) this.#remember(name);
        return result;
      } catch (error) {
        const candidates = Object.fromEntries(Object.entries(ours).filter(([name]) => !(name in extra)));
        const name = refusedParameter(error, candidates);
        if (name === undefined || refused.has(name)) throw error;
        const other = OTHER_LIMIT[name];
        if (other !== undefined && refused.has(other)) throw error;
        if (INSTEAD[name] === undefined) throw irreplaceable(name, error as APIError);
        refused.add(name);
      }
    }
  }

  #remember(name: Parameter): void {
    if (this.#refused.has(name)) return;
    this.#refused.add(name);
    this.#onRefused(name, INSTEAD[name]!);
  }
}

/** The token limit is never left out: it is sent under its other name. */
function without(
  body: Readonly<Record<string, unknown>>,
  refused: ReadonlySet<string>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(body).flatMap(([name, value]) => {
      const other = OTHER_LIMIT[name];
      if (!refused.has(name)) return [[name, value]];
      return other === undefined ? [] : [[other, value]];
    }),
  );
}

function overlaid(
  ours: Record<string, unknown>,
  extra: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const given = Object.entries({ ...ours, ...extra });
  return Object.fromEntries(given.filter(([, value]) => value !== null && value !== undefined));
}

function irreplaceable(name: Parameter, error: APIError): SwirlError {
  return new SwirlError("CONFIG", `the server refuses ${name}: ${error.message}`, {
    remedy: 'judge with mode: "text", or use a model that gives log-probs',
    details: { field: name },
  });
}

/** The parameter to leave out, of those in `sent`; undefined when the error is about something else. */
export function refusedParameter(
  error: unknown,
  sent: Readonly<Record<string, unknown>>,
): Parameter | undefined {
  if (!(error instanceof APIError) || !REFUSING_STATUS.has(error.status ?? 0)) return undefined;
  const words = serverWords(error);
  const candidates = (Object.keys(INSTEAD) as Parameter[]).filter((name) => name in sent);
  const named = candidates.filter((name) => isFieldOf(words, name));
  const mentioned = candidates.filter((name) => mentions(words, name));
  // Where two exclude each other, the one at its neutral value loses nothing.
  const ordered = [...named, ...mentioned].sort(
    (a, b) => Number(isNeutral(b, sent)) - Number(isNeutral(a, sent)),
  );
  return ordered.find((name) => isRefused(words, name, sent));
}

function isRefused(words: string, name: Parameter, sent: Readonly<Record<string, unknown>>): boolean {
  if (name in OTHER_LIMIT) return REFUSAL.test(words) && !LIMIT_TOO_LARGE.test(words);
  if (REFUSAL.test(words)) return true;
  return OUT_OF_RANGE.test(words) && (isNeutral(name, sent) || VALUE_IS_FREE.includes(name));
}

/** Whether the value asks for the model's own distribution. */
function isNeutral(name: Parameter, sent: Readonly<Record<string, unknown>>): boolean {
  return name === "top_p" || name === "temperature" ? sent[name] === 1 : false;
}

/** The server's whole message, with nested errors unescaped. */
function serverWords(error: APIError): string {
  return `${error.message} ${JSON.stringify(error.error ?? null)}`.replaceAll("\\", "").slice(0, 20_000);
}

/** Named as the field at fault: "param": "temperature", "loc": ["body", "seed"]. */
function isFieldOf(words: string, name: Parameter): boolean {
  return new RegExp(`["']param["']:\\s*["']${name}["']|["']loc["']:\\s*[[(][^\\])]*["']${name}["']`).test(
    words,
  );
}

function mentions(words: string, name: Parameter): boolean {
  const camel = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  // "n", "seed" and "stop" also occur in ordinary text: they count only where they are clearly a parameter's name.
  if (name === "n" || name === "seed" || name === "stop") {
    const quoted = `["'\`]${name}["'\`]`;
    const introduced = `\\b(parameters?|arguments?|fields?|property|supplied|on this model|per-request)\\W+${name}\\b`;
    const own =
      name === "n"
        ? "|\\bn must be\\b|\\bn ?(>|=)|one (completion )?choice|multiple (candidates|choices|completions)"
        : "";
    return new RegExp(`${quoted}|${introduced}${own}`, "i").test(words);
  }
  return new RegExp(`(?<![\\w.])(${name}|${camel})(?!\\w)`, "i").test(words);
}

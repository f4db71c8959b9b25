/** The probabilities of the choices, from the log-probs that a server lists for its reply. */
import { SwirlError } from "../errors/swirl-error.js";
import { hideSecrets } from "../secrets/known-secrets.js";
import { afterLead, type ChoiceOptions, type ChoiceResult } from "./choice-scorer.js";
import { choiceLogprobs } from "./endpoint-reply.js";
import { type ReplyChoice, tokenLogprobs } from "./read-reply.js";

/**
 * @param server Names host and model in errors.
 * @throws SwirlError INPUT with details.noChoice for a reply without a choice, CONFIG when the server returns no
 * log-probs, ENDPOINT when it hides the tokens' text.
 */
export function choiceOfReply(
  choice: ReplyChoice,
  { lead, choices, find }: ChoiceOptions,
  { host, model }: { host: string; model: string },
): ChoiceResult {
  const tokens = tokenLogprobs(choice.logprobs);
  // A reply that was truncated, or is nothing but reasoning, makes no choice, whatever the server lists for it.
  if (choice.finish === "length" || (choice.text.trim() === "" && !tokens?.length)) {
    const nowhere = choices.map(() => Number.NEGATIVE_INFINITY);
    return { text: hideSecrets(choice.text), logprobs: nowhere, finished: false };
  }
  if (!tokens || tokens.length === 0 || tokens.every(({ alternatives }) => alternatives.length === 0)) {
    throw new SwirlError("CONFIG", `the endpoint ${host} returned no log-probs for model ${model}`, {
      remedy: 'start the server with log-probs enabled, or judge with mode: "text"',
    });
  }
  if (tokens.every(({ token }) => /^token_id:\d+$/.test(token))) {
    throw new SwirlError("ENDPOINT", `the endpoint ${host} names tokens by token id instead of their text`, {
      remedy: 'start vLLM without --return-tokens-as-token-ids, or judge with mode: "text"',
    });
  }
  const text = tokens.map((token) => token.token).join("");
  const at = find ? find(text) : afterLead(text, lead, choices);
  const result = at === undefined ? undefined : choiceLogprobs(tokens, at, choices);
  if (result === undefined || result.logprobs.every((value) => value === Number.NEGATIVE_INFINITY)) {
    const end = hideSecrets(text).slice(-120);
    throw new SwirlError("INPUT", `no ${choices.join(" or ")} in the reply ${JSON.stringify(end)}`, {
      remedy: "raise maxNewTokens, or use a model that follows the prompt",
      details: { noChoice: true, reply: end },
    });
  }
  return { ...result, text: hideSecrets(result.text), finished: true };
}

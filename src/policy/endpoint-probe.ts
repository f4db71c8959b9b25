/** What a server reveals about itself when it is probed. */
import type { EndpointClient } from "../endpoint/endpoint-client.js";

/**
 * Context length in tokens. vLLM reports max_model_len, llama.cpp meta.n_ctx or n_ctx_train. Others report nothing,
 * which is not an error.
 */
export async function servedContextLength(
  { client }: EndpointClient,
  model: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  try {
    const { data } = await client.models.list({ signal });
    const models = data as unknown as {
      id: string;
      max_model_len?: unknown;
      meta?: Record<string, unknown>;
    }[];
    const served = models.find(({ id }) => id === model) ?? models[0];
    const length = served?.max_model_len ?? served?.meta?.n_ctx ?? served?.meta?.n_ctx_train;
    return typeof length === "number" && length >= 1 ? length : undefined;
  } catch {
    return undefined;
  }
}

/** "Expected a value >= 16", and the like, about the token limit. */
export function isLimitTooSmall(message: string): boolean {
  return (
    /max_(completion_|output_)?tokens|maxOutputTokens/.test(message) &&
    /below minimum|minimum value|too (small|low)|at least|greater than|>=/i.test(message)
  );
}

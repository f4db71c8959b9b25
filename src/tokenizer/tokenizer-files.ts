/**
 * Reads and checks the tokenizer files of a model folder: tokenizer.json, tokenizer_config.json, generation_config.json
 * and the chat template (chat_template.jinja, else inline). Every failure names the file and the field.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { atOnce, inSlices, type Sliced, sliced } from "../async/slices.js";
import { SwirlError } from "../errors/swirl-error.js";
import { parseJson } from "../files/parse-json.js";

const MAX_BYTES = 256 * 1024 * 1024;
const MAX_ID = 1 << 22;
/** Maximum characters of an added token. Searching for one costs as much at every position of a text. */
const MAX_ADDED = 512;

/** The tokenizer files of a model folder. {@link Tokenizer.load} reads it. */
export interface TokenizerFiles {
  /** Folder, for error messages. */
  dir: string;
  /** Content of tokenizer.json. */
  tokenizer: TokenizerJson;
  /** Content of tokenizer_config.json, over that of special_tokens_map.json. */
  config: Record<string, unknown>;
  /** Content of generation_config.json. */
  generationConfig: Record<string, unknown>;
  /** Chat templates by name, with their source and the file it came from. */
  templates: { name: string; source: string; file: string }[];
}

/** What this package reads of tokenizer.json. The rest is passed to the tokenizers package. */
export interface TokenizerJson {
  added_tokens: {
    id: number;
    content: string;
    special?: boolean;
    lstrip?: boolean;
    rstrip?: boolean;
    normalized?: boolean;
  }[];
  model: {
    type?: string;
    vocab: Record<string, number>;
    merges?: (string | [string, string])[];
    unk_token?: string | null;
    byte_fallback?: boolean;
  };
  pre_tokenizer: unknown;
  decoder: unknown;
  [key: string]: unknown;
}

export async function readTokenizerFiles(dir: string): Promise<TokenizerFiles> {
  const tokenizerFile = join(dir, "tokenizer.json");
  const tokenizer = await readJson(tokenizerFile);
  if (!tokenizer) {
    throw new SwirlError("CHECKPOINT", `${tokenizerFile} does not exist`, {
      remedy:
        "point to a Hugging Face model folder; where it has only tokenizer.model, save the fast tokenizer with " +
        "AutoTokenizer.from_pretrained(dir).save_pretrained(dir)",
      details: { file: tokenizerFile },
    });
  }
  const configFile = join(dir, "tokenizer_config.json");
  const config = {
    ...(await readJson(join(dir, "special_tokens_map.json"))),
    ...(await readJson(configFile)),
  };
  return {
    dir,
    tokenizer: await inSlices(checkTokenizer(tokenizer, tokenizerFile)),
    config,
    generationConfig: (await readJson(join(dir, "generation_config.json"))) ?? {},
    templates: await readTemplates(dir, config.chat_template, configFile),
  };
}

async function readTemplates(dir: string, inline: unknown, configFile: string) {
  const file = join(dir, "chat_template.jinja");
  const source = await readText(file);
  const named = await readNamedTemplates(join(dir, "additional_chat_templates"));
  if (source !== undefined) return [{ name: "default", source, file }, ...named];
  const known = inlineTemplates(inline, configFile);
  return [...known.filter(({ name }) => named.every((other) => other.name !== name)), ...named];
}

/** NAME.jinja in the folder that transformers saves named templates to, such as `tool_use`. */
async function readNamedTemplates(folder: string) {
  const files = (await readdir(folder).catch(() => [])).filter((file) => file.endsWith(".jinja")).sort();
  return Promise.all(
    files.map(async (name) => {
      const file = join(folder, name);
      return { name: name.slice(0, -".jinja".length), source: (await readText(file)) ?? "", file };
    }),
  );
}

function inlineTemplates(inline: unknown, configFile: string) {
  if (inline === undefined || inline === null) return [];
  if (typeof inline === "string") return [{ name: "default", source: inline, file: configFile }];
  if (Array.isArray(inline)) {
    return inline.map((entry: unknown) => {
      const { name, template } = (entry ?? {}) as { name?: unknown; template?: unknown };
      if (typeof name !== "string" || typeof template !== "string") {
        throw invalid(configFile, "chat_template", "is a list whose entries need { name, template }");
      }
      return { name, source: template, file: configFile };
    });
  }
  throw invalid(configFile, "chat_template", `must be a string or a list, not ${typeof inline}`);
}

/** Checks the structure that the rest of this package relies on. */
export function checkTokenizerJson(value: Record<string, unknown>, file: string): TokenizerJson {
  return atOnce(checkTokenizer(value, file));
}

function* checkTokenizer(value: Record<string, unknown>, file: string): Sliced<TokenizerJson> {
  const model = value.model as TokenizerJson["model"] | null | undefined;
  if (typeof model !== "object" || model === null) throw invalid(file, "model", "is missing");
  const type = model.type ?? (Array.isArray(model.vocab) ? "Unigram" : "BPE");
  if (type !== "BPE") {
    throw invalid(
      file,
      "model.type",
      `is ${JSON.stringify(type)}; only BPE is supported, which all supported models use`,
    );
  }
  yield* checkBpe(model, file);
  const added = value.added_tokens ?? [];
  if (!Array.isArray(added)) throw invalid(file, "added_tokens", "must be a list");
  for (const [index, token] of added.entries()) {
    if (typeof token?.content !== "string" || !isId(token.id)) {
      throw invalid(file, `added_tokens[${index}]`, `needs a string content and an id of 0 … ${MAX_ID}`);
    }
    if (token.content.length > MAX_ADDED) {
      throw invalid(
        file,
        `added_tokens[${index}]`,
        `has ${token.content.length} characters, more than ${MAX_ADDED}`,
      );
    }
  }
  return {
    ...value,
    added_tokens: added,
    model: { ...model, type },
    normalizer: value.normalizer ?? null,
    pre_tokenizer: value.pre_tokenizer ?? null,
    decoder: value.decoder ?? null,
  };
}

function* checkBpe(model: TokenizerJson["model"], file: string): Sliced<void> {
  if (typeof model.vocab !== "object" || model.vocab === null || Array.isArray(model.vocab)) {
    throw invalid(file, "model.vocab", "must map tokens to ids");
  }
  const { vocab } = model;
  yield* sliced(Object.keys(vocab), (token) => {
    const id = vocab[token];
    if (!isId(id))
      throw invalid(file, `model.vocab[${JSON.stringify(token)}]`, `is ${JSON.stringify(id)}, not an id`);
  });
  if (!Array.isArray(model.merges)) throw invalid(file, "model.merges", "must be a list");
  yield* sliced(model.merges, (merge, index) => {
    const ok =
      typeof merge === "string"
        ? merge.includes(" ")
        : Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === "string");
    if (!ok) throw invalid(file, `model.merges[${index}]`, "must be two tokens");
  });
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < MAX_ID;
}

function invalid(file: string, field: string, what: string): SwirlError {
  return new SwirlError("CHECKPOINT", `${file}: ${field} ${what}`, {
    remedy: "download the file again, or save it with a current version of transformers",
    details: { file, field },
  });
}

/** Undefined when the file does not exist. */
async function readText(file: string): Promise<string | undefined> {
  try {
    const { size } = await stat(file);
    if (size > MAX_BYTES) {
      throw new SwirlError("CHECKPOINT", `${file} has ${size} bytes, more than ${MAX_BYTES}`, {
        details: { file },
      });
    }
    // Editors on Windows put a byte-order mark before the text.
    return (await readFile(file, "utf8")).replace(/^\uFEFF/, "");
  } catch (cause) {
    if (SwirlError.isInstance(cause)) throw cause;
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new SwirlError("CHECKPOINT", `${file} cannot be read: ${(cause as Error).message}`, {
      details: { file },
      cause,
    });
  }
}

async function readJson(file: string): Promise<Record<string, unknown> | undefined> {
  const text = await readText(file);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = await inSlices(parseJson(text.replace(/^\ufeff/, "")));
  } catch (cause) {
    throw new SwirlError("CHECKPOINT", `${file} is not JSON: ${(cause as Error).message}`, {
      remedy: "download the file again",
      details: { file },
      cause,
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new SwirlError("CHECKPOINT", `${file} must hold a JSON object`, { details: { file } });
  }
  return value as Record<string, unknown>;
}

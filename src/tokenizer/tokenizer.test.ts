import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { processorTime } from "../../tests/support/processor-time.js";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { Tokenizer } from "./tokenizer.js";
import { checkTokenizerJson } from "./tokenizer-files.js";
import { checkVocabulary } from "./vocabulary.js";

const root = join(import.meta.dirname, "../..");
const golden = join(root, "tests/golden/tokenizer");
const smollm2 = join(process.env.SWIRL_SHARED ?? join(root, "../shared"), "models/SmolLM2-135M-Instruct");
const folders = ["chatml-tools", "turns", "instruct"].map((style) => join(golden, style));
if (existsSync(smollm2)) folders.push(smollm2);

/** Deterministic numbers in [0, 1). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A copy of the ChatML tokenizer with some files replaced; null removes one. */
async function folder(files: Record<string, unknown>): Promise<string> {
  const dir = temporaryFolder();
  await cp(folders[0]!, dir, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    if (content === null) await rm(join(dir, name));
    else await writeFile(join(dir, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return dir;
}
const json = () => JSON.parse(readFileSync(join(folders[0]!, "tokenizer.json"), "utf8"));

it("has no way from text to a control token whose id a piece shares", async () => {
  const file = json();
  const [special] = (file.added_tokens as { id: number; special: boolean }[]).filter(
    (token) => token.special,
  );
  file.model.vocab["9"] = special!.id;
  const tokenizer = await Tokenizer.load(await folder({ "tokenizer.json": file }));
  expect([...tokenizer.encode("9")]).not.toContain(special!.id);
  file.model.vocab["9"] = { toString: 1 };
  const bad = await folder({ "tokenizer.json": file });
  await expect(Tokenizer.load(bad)).rejects.toMatchObject({ code: "CHECKPOINT" });
});

describe.each(folders)("content of a message, %s", async (dir) => {
  const tokenizer = await Tokenizer.load(dir);
  const specials = [...tokenizer.specialTokens];
  const specialIds = new Set(tokenizer.specialTokens.values());
  const count = (ids: Int32Array) => ids.filter((id) => specialIds.has(id)).length;
  const tool = dir.includes("chatml") ? ("tool" as const) : ("user" as const);

  it("never becomes a control token: every one, whole, cut, joined, in every role", () => {
    const next = random(7);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!;
    const question = { role: "user" as const, content: "q" };
    const expectedPrompt = count(tokenizer.chat.renderPrompt([question]));
    const expectedTurn = count(tokenizer.chat.renderTurn({ role: tool, content: "q" }, undefined));
    for (const [content, id] of specials) {
      expect([...tokenizer.encode(content, { special: true })]).toContain(id);
      const cut = Math.floor(next() * content.length);
      const other = pick(specials)[0];
      const hostile = [
        content,
        ` ${content}\n${content}`,
        content + other + content,
        content.slice(cut) + content + content.slice(0, cut),
        `${other.slice(0, -1)}${content}${other.slice(1)}`,
        `\uFDD0${content}\uFDDF`,
        `${JSON.stringify(content)} <0x0A> ${content.toUpperCase()}`,
      ];
      for (const text of hostile) {
        const ids = tokenizer.encode(text);
        expect(count(ids), text).toBe(0);
        if (!text.includes("\uFDD0")) expect(tokenizer.decode(tokenizer.encode(`.${text}`))).toBe(`.${text}`);
        expect(count(tokenizer.chat.renderPrompt([{ role: "user", content: text }])), text).toBe(
          expectedPrompt,
        );
        const turn = tokenizer.chat.renderTurn({ role: tool, content: text }, undefined);
        expect(count(turn), text).toBe(expectedTurn);
      }
    }
  });

  it("round-trips any text", () => {
    const next = random(11);
    const alphabet = [..."ab Z9.,<|>é日🇫\n\t{}\"'\\", "<|im_", "</s>", "  "];
    for (let trial = 0; trial < 300; trial++) {
      const text = Array.from(
        { length: 1 + Math.floor(next() * 30) },
        () => alphabet[Math.floor(next() * alphabet.length)],
      ).join("");
      const ids = tokenizer.encode(`.${text}`);
      expect(tokenizer.decode(ids)).toBe(`.${text}`);
      expect(ids.every((id) => id >= 0 && id < tokenizer.vocabSize)).toBe(true);
    }
  });

  it("has the bytes of every token", () => {
    const { bytes, offsets } = tokenizer.tokenBytes(tokenizer.vocabSize + 3);
    expect(offsets.length).toBe(tokenizer.vocabSize + 4);
    expect(offsets.at(-1)).toBe(bytes.length);
    const ids = tokenizer.encode(".An été of 48 / 2 🇫🇷");
    const joined = [...ids].flatMap((id) => [...bytes.subarray(offsets[id]!, offsets[id + 1]!)]);
    expect(Buffer.from(joined).toString().trimStart()).toBe(".An été of 48 / 2 🇫🇷");
    expect(tokenizer.tokenBytes(3).offsets.length).toBe(4);
  });

  it("ends its turns with an eos token", () => {
    expect(tokenizer.eosTokens).toContain(tokenizer.chat.endOfTurn);
  });
});

describe("Tokenizer", () => {
  it("skips special tokens and rows without a token when asked to decode", async () => {
    const tokenizer = await Tokenizer.load(folders[0]!);
    const ids = [...tokenizer.encode("<|im_start|>hi<tool_call>", { special: true }), 9_999];
    expect(tokenizer.decode(ids)).toBe("<|im_start|>hi<tool_call>");
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe("hi<tool_call>");
    expect(tokenizer.decode([])).toBe("");
    expect(() => tokenizer.decode([1.5])).toThrow(/token 0 is 1.5/);
  });

  it("reads eos tokens from generation_config.json, one or many", async () => {
    const tokenizer = await Tokenizer.load(
      await folder({ "generation_config.json": { eos_token_id: [0, 2, 999_999] } }),
    );
    expect([...tokenizer.eosTokens].sort()).toEqual([0, 2]);
  });

  it("takes the template named for tools when there are tools", async () => {
    const template = (text: string) =>
      `{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}${text}`;
    const dir = await folder({
      "chat_template.jinja": null,
      "tokenizer_config.json": {
        chat_template: [
          { name: "default", template: template("plain") },
          { name: "tool_use", template: template("tools") },
        ],
      },
    });
    const { chat } = await Tokenizer.load(dir);
    const messages = [{ role: "user" as const, content: "q" }];
    expect(chat.renderText(messages)).toBe("<|im_start|>q<|im_end|>plain");
    expect(chat.renderText(messages, [{ name: "t", description: "", parameters: {} }])).toContain("tools");
  });

  it("reads templates from additional_chat_templates, beside the default wherever it stands", async () => {
    const question = { role: "user" as const, content: "q" };
    const spec = { name: "calculator", description: "", parameters: {} };
    const dir = await folder({ "chat_template.jinja": "plain {{ messages[0].content }}<|im_end|>" });
    await mkdir(join(dir, "additional_chat_templates"));
    await writeFile(
      join(dir, "additional_chat_templates/tool_use.jinja"),
      "{{ tools | length }} tools<|im_end|>",
    );
    const { chat } = await Tokenizer.load(dir);
    expect(chat.renderText([question], [spec])).toBe("1 tools<|im_end|>");
    expect(chat.renderText([question])).toBe("plain q<|im_end|>");
    await rm(join(dir, "chat_template.jinja"));
    await writeFile(
      join(dir, "tokenizer_config.json"),
      JSON.stringify({ chat_template: "inline<|im_end|>" }),
    );
    const inline = await Tokenizer.load(dir);
    expect(inline.chat.renderText([question], [spec])).toBe("1 tools<|im_end|>");
    expect(inline.chat.renderText([question])).toBe("inline<|im_end|>");
  });

  it("reads files with a byte-order mark, and templates with any line end", async () => {
    const files = ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"];
    const text = (name: string) => readFileSync(join(folders[0]!, name), "utf8");
    const marked = await folder(Object.fromEntries(files.map((name) => [name, `\uFEFF${text(name)}`])));
    const ids = async (dir: string) => [
      ...(await Tokenizer.load(dir)).chat.renderPrompt([{ role: "user", content: "a\r\nb" }]),
    ];
    const wanted = await ids(folders[0]!);
    expect(await ids(marked)).toEqual(wanted);
    for (const end of ["\r\n", "\r"]) {
      const template = text("chat_template.jinja").replaceAll("\n", end);
      expect(await ids(await folder({ "chat_template.jinja": template }))).toEqual(wanted);
    }
  });

  it("renders calls as ever where control tokens hold the names that templates look up", async () => {
    const changed = json();
    const names = ["<filename>", "<role>", "query", "<|tool_calls|>", "content>"];
    const first = Math.max(
      ...Object.values<number>(changed.model.vocab),
      ...changed.added_tokens.map((t: { id: number }) => t.id),
    );
    for (const [index, content] of names.entries()) {
      changed.added_tokens.push({ id: first + 1 + index, content, special: true, normalized: false });
    }
    const tokenizer = await Tokenizer.load(await folder({ "tokenizer.json": changed }));
    const plain = await Tokenizer.load(folders[0]!);
    const call = { name: "search", input: '{"query":"a <filename> b","2":1}' };
    const spec = {
      name: "search",
      description: "<role>",
      parameters: { type: "object", properties: { query: {} } },
    };
    for (const render of [
      ({ chat }: Tokenizer) => chat.renderAction({ content: "", toolCalls: [call] }),
      ({ chat }: Tokenizer) => chat.renderPrompt([{ role: "user", content: "arguments" }], [spec]),
    ]) {
      const ids = [...render(tokenizer)];
      expect(ids.filter((id) => id > first)).toEqual([]);
      expect(tokenizer.decode(ids)).toBe(plain.decode([...render(plain)]));
    }
  });

  it("finds what ends an action whatever the observation holds", async () => {
    const { chat } = await Tokenizer.load(folders[0]!);
    const usual = [...chat.renderTurn({ role: "tool", content: "x" }, undefined)];
    for (const content of ["probe", "qzsentinelzq", "action probe\nprobe", "<|im_end|>"]) {
      const turn = [...chat.renderTurn({ role: "tool", content }, undefined)];
      expect(turn[0]).toBe(usual[0]);
      expect(turn.slice(-3)).toEqual(usual.slice(-3));
    }
  });

  it("blames the conversation, not the model, for what the template cannot render of it", async () => {
    const template =
      "{% for m in messages %}{% if 'bad' in m.content %}{{ raise_exception('bad') }}{% endif %}" +
      "{{ '<|im_start|>' + m.content.split('LOST')[0] + '<|im_end|>' }}{% endfor %}";
    const { chat } = await Tokenizer.load(folders[0]!, { chatTemplate: template });
    const turn = (content: string) => () => chat.renderTurn({ role: "user", content }, undefined);
    expect(turn("good")).not.toThrow();
    for (const content of ["bad", "LOST", "kept LOST part"]) {
      expect(turn(content)).toThrow(expect.objectContaining({ code: "INPUT" }));
    }
    expect(() => chat.renderPrompt([{ role: "user", content: "bad" }])).toThrow(
      expect.objectContaining({ code: "INPUT" }),
    );
  });

  it("keeps what was sampled and closes only turns that are open", async () => {
    const { chat } = await Tokenizer.load(folders[0]!);
    const reply = { role: "user" as const, content: "48 / 2 -> 24" };
    const open = chat.renderTurn(reply, 5);
    expect(open[0]).toBe(chat.endOfTurn);
    expect([...chat.renderTurn(reply, chat.endOfTurn)]).toEqual([...open.slice(1)]);
  });

  it("encodes a long observation in linear time", async () => {
    const tokenizer = await Tokenizer.load(folders[0]!);
    const before = processorTime();
    expect(tokenizer.encode("a".repeat(200_000)).length).toBeGreaterThan(1_000);
    expect(tokenizer.encode("<|im_end|>".repeat(20_000)).length).toBeGreaterThan(20_000);
    const turn = tokenizer.chat.renderTurn(
      { role: "tool", content: "<|im_end|> ".repeat(20_000) },
      undefined,
    );
    expect(turn.filter((id) => id === tokenizer.chat.endOfTurn).length).toBe(2);
    expect(processorTime() - before).toBeLessThan(4_000);
  });
});

describe("broken tokenizer files", () => {
  const bad = (change: (value: ReturnType<typeof json>) => void) => {
    const value = json();
    change(value);
    return value;
  };
  it.each([
    ["no tokenizer.json", { "tokenizer.json": null }, /tokenizer.json does not exist/],
    ["truncated", { "tokenizer.json": '{"model": {' }, /is not JSON/],
    ["a list", { "tokenizer.json": "[]" }, /must hold a JSON object/],
    ["no model", { "tokenizer.json": {} }, /model is missing/],
    ["WordPiece", { "tokenizer.json": bad((t) => (t.model.type = "WordPiece")) }, /"WordPiece"; only BPE is/],
    [
      "an id that is no id",
      { "tokenizer.json": bad((t) => (t.model.vocab.a = -1)) },
      /model.vocab\["a"\] is -1/,
    ],
    ["a huge id", { "tokenizer.json": bad((t) => (t.model.vocab.a = 2 ** 31)) }, /model.vocab\["a"\]/],
    ["a bad merge", { "tokenizer.json": bad((t) => t.model.merges.push(["a"])) }, /model.merges\[\d+\]/],
    [
      "a bad added token",
      { "tokenizer.json": bad((t) => t.added_tokens.push({ id: 1 })) },
      /added_tokens\[\d+\]/,
    ],
    [
      "an unknown normalizer",
      { "tokenizer.json": bad((t) => (t.normalizer = { type: "Rot13" })) },
      /cannot be used/,
    ],
    [
      "a template that is a number",
      { "chat_template.jinja": null, "tokenizer_config.json": { chat_template: 7 } },
      /chat_template must be/,
    ],
  ])("%s", async (_, files, message) => {
    const dir = await folder(files as Record<string, unknown>);
    await expect(Tokenizer.load(dir)).rejects.toMatchObject({
      name: "SwirlError",
      code: "CHECKPOINT",
      message: expect.stringMatching(message),
    });
  });

  it("loads many added tokens in little time, and refuses one without end", async () => {
    const many = json();
    many.added_tokens = Array.from({ length: 5_000 }, (_, id) => ({
      id: 10_000 + id,
      content: `${"x".repeat(90)}${id}`,
      special: id % 2 === 0,
    }));
    const before = processorTime();
    const tokenizer = await Tokenizer.load(await folder({ "tokenizer.json": many }));
    tokenizer.encode("x".repeat(10_000));
    expect(processorTime() - before).toBeLessThan(3_000);
    many.added_tokens = [{ id: 10_000, content: "x".repeat(500_000), special: true }];
    const long = await folder({ "tokenizer.json": many });
    await expect(Tokenizer.load(long)).rejects.toThrow(/added_tokens\[0\] has 500000 characters/);
  });

  it("stops a pattern that would never end", { timeout: 60_000 }, async () => {
    const endless = json();
    endless.pre_tokenizer = {
      type: "Split",
      pattern: { Regex: "(a+)+$" },
      behavior: "Isolated",
      invert: false,
    };
    const tokenizer = await Tokenizer.load(await folder({ "tokenizer.json": endless }));
    expect(() => tokenizer.encode(`${"a".repeat(60)}b`)).toThrow(
      expect.objectContaining({ code: "CHECKPOINT" }),
    );
  });

  it("are refused or work: 400 random changes of tokenizer.json and tokenizer_config.json", async () => {
    const next = random(3);
    const below = (n: number) => Math.floor(next() * n);
    const good = json();
    let refused = 0;
    /** Replaces one value somewhere in the tree by something of another kind. */
    const damage = (node: Record<string, unknown>): void => {
      const keys = Object.keys(node);
      const key = keys[below(keys.length)];
      if (key === undefined) return;
      const child = node[key];
      if (typeof child === "object" && child !== null && next() < 0.8)
        damage(child as Record<string, unknown>);
      else node[key] = [null, -1, 1e9, "", "x", [], {}, true, [["a", "b"]], { type: "ByteLevel" }][below(10)];
    };
    for (let trial = 0; trial < 400; trial++) {
      const tokenizer = structuredClone(good);
      const config: Record<string, unknown> = {
        bos_token: "<|endoftext|>",
        eos_token: { content: "<|im_end|>" },
      };
      damage(trial % 5 === 0 ? config : tokenizer);
      try {
        const files = {
          dir: "fuzz",
          tokenizer: checkTokenizerJson(tokenizer, "fuzz/tokenizer.json"),
          config,
          generationConfig: { eos_token_id: [next(), "x", 2][below(3)] },
          templates: [
            { name: "default", source: "{{ bos_token }}{{ messages[0].content }}<|im_end|>", file: "t" },
          ],
        };
        const loaded = new Tokenizer(files);
        loaded.decode(loaded.encode("What is 48 / 2? <|im_end|> é"));
        loaded.tokenBytes();
        loaded.chat.renderPrompt([{ role: "user", content: "q <|im_end|>" }]);
        expect(loaded.eosTokens.every((id) => id < loaded.vocabSize)).toBe(true);
      } catch (error) {
        refused++;
        expect(error).toMatchObject({ name: "SwirlError" });
      }
    }
    expect(refused).toBeGreaterThan(20);
    expect(refused).toBeLessThan(380);
  });

  it("reads files with a byte-order mark", async () => {
    const read = (name: string) => readFileSync(join(folders[0]!, name), "utf8");
    const marked = ["tokenizer.json", "tokenizer_config.json"].map((name) => [name, `\ufeff${read(name)}`]);
    const tokenizer = await Tokenizer.load(await folder(Object.fromEntries(marked)));
    const plain = await Tokenizer.load(folders[0]!);
    expect(tokenizer.encode("some text")).toEqual(plain.encode("some text"));
    expect(tokenizer.eosTokens).toEqual(plain.eosTokens);
  });

  it("tells when a vocabulary is larger than the model", async () => {
    const tokenizer = await Tokenizer.load(folders[0]!);
    expect(() => checkVocabulary(tokenizer, tokenizer.vocabSize)).not.toThrow();
    expect(() => checkVocabulary(tokenizer, tokenizer.vocabSize + 64)).not.toThrow();
    expect(() => checkVocabulary(tokenizer, tokenizer.vocabSize - 1)).toThrow(
      /"<unwritten>" with id 424, the model has 424 rows/,
    );
    const padded = (fields: object) =>
      bad((t) => t.added_tokens.push({ id: 425, content: "[PAD]", ...fields }));
    for (const [fields, others, message] of [
      [{ special: true }, {}, undefined],
      [{ special: false }, {}, /"\[PAD\]" with id 425/],
      [{ special: true }, { "generation_config.json": { eos_token_id: 425 } }, /"\[PAD\]" with id 425/],
    ] as const) {
      const extended = await Tokenizer.load(await folder({ "tokenizer.json": padded(fields), ...others }));
      const check = () => checkVocabulary(extended, 425);
      if (message) expect(check).toThrow(message);
      else expect(check).not.toThrow();
    }
    const gemma = bad((t) => t.added_tokens.push({ id: 425, content: "<image_soft_token>", special: true }));
    const dir = await folder({ "tokenizer.json": gemma });
    expect(() =>
      checkVocabulary({ ...gemma, vocabSize: 426, file: dir, tokenText: () => "<image_soft_token>" }, 425),
    ).not.toThrow();
  });
});

describe("chat templates that cannot do it", () => {
  const withTemplate = async (chatTemplate: string) =>
    (await Tokenizer.load(folders[0]!, { chatTemplate })).chat;
  const user = { role: "user" as const, content: "q" };

  it("says that there is none", async () => {
    const tokenizer = await Tokenizer.load(await folder({ "chat_template.jinja": null }));
    expect(tokenizer.hasChatTemplate).toBe(false);
    expect(() => tokenizer.chat).toThrow(/has no chat template/);
    expect(tokenizer.eosTokens.length).toBe(1);
  });

  it("says that turns have no end", async () => {
    const chat = await withTemplate(
      "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:",
    );
    expect([...chat.renderPrompt([user])].length).toBeGreaterThan(2);
    expect(() => chat.renderTurn(user, undefined)).toThrow(
      /does not end an assistant's turn with a special token/,
    );
  });

  it("says that a role is left out or refused", async () => {
    const turn = "{{ '<|im_start|>' + m.role + m.content + '<|im_end|>' }}";
    const silent = await withTemplate(
      `{% for m in messages %}{% if m.role != 'tool' %}${turn}{% endif %}{% endfor %}`,
    );
    expect(() => silent.renderTurn({ role: "tool", content: "24" }, undefined)).toThrow(
      /leaves out a turn of role "tool"/,
    );
    const loud = await withTemplate(
      `{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}${turn}{% endfor %}`,
    );
    expect(() => loud.renderTurn({ role: "tool", content: "24" }, undefined)).toThrow(
      /refuses this conversation: no tools/,
    );
  });

  it("refuses an empty prompt", async () => {
    const { chat } = await Tokenizer.load(folders[0]!);
    expect(() => chat.renderPrompt([])).toThrow(/at least one message/);
  });
});

// Writes tests/corpus/VERSION: small files of every kind that this version of the package leaves on disk. Later versions
// must open them (corpus.test.ts). Run it once per release, on the released code:
//
//   npm run build && node tests/corpus/make.mjs
//
// Everything is made in one fixed folder, because a run directory records where its inputs are; the test replaces that
// path by its own.
import { spawn } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import {
  Bm25Index,
  calculator,
  calculatorTask,
  demonstrate,
  embeddingSearch,
  evaluate,
  initializePolicy,
  journaledJudge,
  judgeSteps,
  Policy,
  PromptedJudge,
  ruleJudges,
  saveIndex,
  sft,
  synthesize,
} from "../../dist/index.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { version } = JSON.parse(await readFile(`${root}package.json`, "utf8"));
const work = "/tmp/swirl-corpus";
const target = `${root}tests/corpus/${version}`;
await rm(work, { recursive: true, force: true });
await mkdir(work, { recursive: true });
process.chdir(work);

const json = (value) => `${JSON.stringify(value, null, 2)}\n`;
const drain = async (source) => {
  const all = [];
  for await (const item of source) all.push(item);
  return all;
};

// --- a model, and questions -------------------------------------------------------------------------------------
const tokenizer = `${root}tests/golden/tokenizer/chatml-tools/`;
const files = {};
for (const name of ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
  files[name] = await readFile(tokenizer + name, "utf8");
await initializePolicy("model", {
  config: {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: 428,
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    hidden_act: "silu",
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    tie_word_embeddings: true,
    initializer_range: 0.05,
    eos_token_id: 2,
    pad_token_id: 0,
    torch_dtype: "float32",
  },
  seed: 1,
  files,
});
const rows = [
  ["Ann has 3 hats and buys 4. How many hats has she?", "She has 3+4=<<3+4=7>>7 hats.\n#### 7"],
  ["Bob has 10 cats and sells 6. How many are left?", "He has 10-6=<<10-6=4>>4 left.\n#### 4"],
  ["A box holds 6 pens. How many do 5 boxes hold?", "They hold 6*5=<<6*5=30>>30 pens.\n#### 30"],
  ["Cid runs 2 miles a day for 9 days. How far?", "He runs 2*9=<<2*9=18>>18 miles.\n#### 18"],
];
await writeFile(
  "rows.jsonl",
  rows.map(([question, answer]) => `${JSON.stringify({ question, answer })}\n`).join(""),
);

// --- run directories: one that ended, one killed in the middle of training -----------------------------------------
const questions = (skip, limit) => ({ dataset: "gsm8k", file: "rows.jsonl", skip, limit });
await writeFile(
  "config.json",
  json({
    model: "model",
    device: "cpu",
    threads: 1,
    seed: 3,
    task: { kind: "calculator", callLimit: 2 },
    questions: { train: questions(0, 2), test: questions(2, 2) },
    rollout: { maxNewTokens: 12 },
    sft: {
      demonstrations: questions(0, 4),
      batchSize: 2,
      steps: 6,
      lr: 1e-3,
      checkpoints: { every: 3, keep: 1 },
    },
    synthesize: { samples: 2 },
    filter: { kind: "none" },
    train: {
      steps: 12,
      batchSize: 4,
      samplesPerState: 2,
      baseline: "running",
      lr: 1e-4,
      checkpoints: { every: 2, keep: 1 },
    },
    evaluate: { at: ["base", "start", "trained"] },
  }),
);
function swirlRun(output, killWhen) {
  const child = spawn(
    process.execPath,
    [`${root}dist/cli/main.js`, "run", "-c", "config.json", "--output", output],
    {
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  const watch = setInterval(async () => {
    if (await killWhen?.()) child.kill("SIGKILL");
  }, 1);
  return new Promise((resolve) =>
    child.once("close", (code, signal) => {
      clearInterval(watch);
      resolve(signal ?? code);
    }),
  );
}
if ((await swirlRun("run")) !== 0) throw new Error("swirl run failed");
const lines = async (file) => (await readFile(file, "utf8").catch(() => "")).split("\n").length - 1;
for (;;) {
  await rm("killed", { recursive: true, force: true });
  const end = await swirlRun("killed", async () => (await lines("killed/metrics.jsonl")) >= 5);
  if (end !== "SIGKILL") continue;
  const left = await readdir("killed/checkpoints").catch(() => []);
  if (left.includes("latest") && !(await stat("killed/policy").catch(() => undefined))) break;
}

// --- records that a scripted server's policy and judge leave -------------------------------------------------------
const server = createServer(async (request, response) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  const send = (status, body) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  const body = text === "" ? {} : JSON.parse(text);
  if (request.url.endsWith("/embeddings")) {
    const inputs = [body.input].flat();
    const data = inputs.map((input, index) => ({ index, embedding: [input.length, 1, 2].map((x) => x / 7) }));
    return send(200, {
      object: "list",
      data,
      model: body.model,
      usage: { prompt_tokens: 1, total_tokens: 1 },
    });
  }
  const first = body.messages[0].content;
  const last = body.messages.at(-1).content;
  const choice = (message, finish_reason = "stop") =>
    send(200, {
      id: "x",
      object: "chat.completion",
      created: 1,
      model: body.model,
      choices: Array.from({ length: body.n ?? 1 }, (_, index) => ({
        index,
        message: { role: "assistant", ...message },
        finish_reason,
      })),
      usage: { prompt_tokens: 7, completion_tokens: 3 },
    });
  if (body.model === "judge") {
    if (/Bob/.test(first)) return send(500, { error: { message: "out of order" } });
    return choice({ content: /Ann/.test(first) ? "It calls nothing.\nVerdict: BAD" : "Verdict: GOOD" });
  }
  if (body.messages.length > 1) return choice({ content: `So <answer>${last.split("-> ").at(-1)}</answer>` });
  if (/Ann/.test(first)) return choice({ content: "no tag at all" });
  if (/Cid/.test(first)) return send(500, { error: { message: "out of order" } });
  if (body.tools) {
    const call = { name: "calculator", arguments: JSON.stringify({ expression: "6 * 5" }) };
    return choice(
      { content: null, tool_calls: [{ id: "c7", type: "function", function: call }] },
      "tool_calls",
    );
  }
  return choice({ content: "I compute: <math_exp>6 * 5</math_exp>" });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const endpoint = {
  baseURL: `http://127.0.0.1:${server.address().port}/v1`,
  apiKey: "none",
  probe: false,
  maxRetries: 1,
  retryBaseMs: 1,
  retryMaxMs: 2,
};
const asked = rows.map(([question, answer], i) => ({
  id: `q${i}`,
  question,
  answers: [answer.split("#### ")[1]],
}));
await mkdir("records");
const task = calculatorTask(calculator());
const policy = await Policy.connect({ ...endpoint, model: "policy" });
const judge = await journaledJudge(
  new PromptedJudge({
    policy: await Policy.connect({ ...endpoint, model: "judge" }),
    votes: 3,
    temperature: 1,
  }),
  "records/verdicts.jsonl",
);
for (const format of ["tags", "chat-template"]) {
  const output = `records/trajectories-${format}.jsonl`;
  const made = await drain(synthesize(asked, { policy, task, samples: 1, format, output }));
  await drain(judgeSteps(made, { judge }));
}
await evaluate(asked.slice(1, 3), { policy, task, judge, output: "records/evaluation.jsonl" });
await judge.close();

// --- what the engine's policy leaves: its own trajectories and an optimizer --------------------------------------
const native = await Policy.load("model", { device: "cpu", dtype: "float32", threads: 1 });
const steps = (i) =>
  [{ thought: "", call: { name: "calculator", input: "6 * 5" }, observation: "30" }].slice(i);
const demonstrations = asked.map((question, i) => ({
  question,
  steps: steps(i % 2),
  answer: question.answers[0],
}));
const shown = await drain(demonstrate(demonstrations, { policy: native, task }));
await sft({ policy: native, trajectories: shown, steps: 2, batchSize: 2, lr: 1e-3 });
await native.save("records/policy-bfloat16", { dtype: "bfloat16" });
await native.saveOptimizer("records/optimizer.safetensors");
await drain(
  synthesize(asked.slice(0, 2), {
    policy: native,
    task,
    samples: 2,
    maxNewTokens: 12,
    output: "records/trajectories-native.jsonl",
  }),
);
const rules = await journaledJudge(ruleJudges.calculator(), "records/verdicts-rules.jsonl");
await drain(judgeSteps(shown, { judge: rules }));
await rules.close();
await native.dispose();

// --- search indices -------------------------------------------------------------------------------------------------
const passages = ["Ada Moreno designed the Kessler Bridge.", "The Kessler Bridge crosses the Orne."].map(
  (text, i) => ({ title: `Passage ${i}`, text }),
);
await saveIndex(await Bm25Index.build(passages), "records/bm25");
const { baseURL, apiKey } = endpoint;
await embeddingSearch(passages, { baseURL, apiKey, model: "embedder", cacheFile: "records/embeddings.bin" });
server.close();
server.closeAllConnections();

for (const entry of await readdir(work, { recursive: true, withFileTypes: true }))
  if (entry.name.endsWith(".lock")) await rm(`${entry.parentPath}/${entry.name}`, { recursive: true });
await rm(target, { recursive: true, force: true });
await cp(work, target, { recursive: true, verbatimSymlinks: true });

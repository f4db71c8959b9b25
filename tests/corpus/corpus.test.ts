/**
 * What earlier versions left on disk still opens: checkpoints, optimizer states, trajectories, verdicts, evaluations,
 * search indices, and run directories, one of which was killed in the middle of training and is resumed here. One folder
 * per version, written by make.mjs on that version's code.
 */
import { spawn } from "node:child_process";
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  decompose,
  loadIndex,
  Policy,
  readEvaluations,
  readTrajectories,
  rebuildStates,
  type Trajectory,
  VerdictJournal,
  writeReport,
} from "../../src/index.js";
import { loadAddonFrom } from "../../src/native/load-addon.js";
import { VectorCache } from "../../src/tools/search/vector-cache.js";
import { type Compiled, compile } from "../support/compile.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** Where make.mjs worked; the run directories name their inputs there. */
const MADE_IN = "/tmp/swirl-corpus";
const versions = (await readdir(import.meta.dirname)).filter((name) => /^\d+\./.test(name));

let compiled: Compiled;
beforeAll(async () => {
  compiled = await compile();
}, 60_000);

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}

const load = (folder: string) => Policy.load(folder, { device: "cpu", dtype: "float32", threads: 1 });

it("there is a corpus", () => {
  expect(versions).toContain("0.1.0");
});

describe.each(versions)("version %s", (version) => {
  let folder: string;
  const at = (...path: string[]) => join(folder, ...path);

  beforeAll(async () => {
    folder = temporaryFolder();
    await cp(join(import.meta.dirname, version), folder, { recursive: true, verbatimSymlinks: true });
    for (const run of ["run", "killed"])
      for (const file of ["config.resolved.json", "manifest.json", "stages.json"]) {
        const text = await readFile(at(run, file), "utf8");
        await writeFile(at(run, file), text.replaceAll(MADE_IN, folder));
      }
  });

  function swirl(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
    const child = spawn(process.execPath, [compiled.file("src/cli/main.ts"), ...args], {
      cwd: folder,
      env: { ...process.env, SWIRL_ADDON: loadAddonFrom().path },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (data) => {
      out += data;
    });
    child.stderr.on("data", (data) => {
      err += data;
    });
    return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err })));
  }

  it("loads its models and checkpoints, and the optimizer's state", async () => {
    for (const model of ["model", "run/policy", "run/checkpoints/latest", "records/policy-bfloat16"]) {
      const policy = await load(at(model));
      const [logprobs] = await policy.logprobs([{ tokens: [5, 6, 7, 8], actionStart: 1 }]);
      expect([...logprobs!].every((logprob) => logprob < 0)).toBe(true);
      await policy.dispose();
    }
    const policy = await load(at("model"));
    const fresh = policy.id;
    await policy.loadOptimizer(at("records/optimizer.safetensors"));
    expect(policy.id).toBe(`${fresh}+2`);
    await policy.dispose();
  });

  it("reads its trajectories and evaluations", async () => {
    const read = (name: string): Promise<Trajectory[]> => collect(readTrajectories(at(name)));
    const tags = await read("records/trajectories-tags.jsonl");
    expect(tags.map(({ end }) => end).sort()).toEqual(["answer", "answer", "failed", "malformed"]);
    const tools = await read("records/trajectories-chat-template.jsonl");
    expect(tools.filter(({ steps }) => steps[0]?.kind === "call")).toHaveLength(2);
    for (const name of ["records/trajectories-native.jsonl", "run/trajectories.jsonl", "run/kept.jsonl"]) {
      const native = await read(name);
      expect(native).toHaveLength(4);
      for (const trajectory of native) {
        expect(decompose(trajectory)).toHaveLength(trajectory.steps.length);
        expect(rebuildStates(trajectory)[0]!.length).toBe(trajectory.steps[0]!.append.length);
      }
    }
    const demonstrations = await read("run/demonstrations.jsonl");
    expect(demonstrations.map(({ steps }) => steps.length)).toEqual([2, 2, 2, 2]);
    const evaluations = await collect(readEvaluations(at("records/evaluation.jsonl")));
    expect(Object.fromEntries(evaluations.map(({ id, correct }) => [id, correct]))).toEqual({
      q1: false,
      q2: true,
    });
    expect(await collect(readEvaluations(at("run/evaluation-trained.jsonl")))).toHaveLength(2);
  });

  it("opens its verdict journals", async () => {
    for (const name of ["records/verdicts.jsonl", "records/verdicts-rules.jsonl", "run/verdicts.jsonl"]) {
      const lines = (await readFile(at(name), "utf8"))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      await using journal = await VerdictJournal.open(at(name));
      expect(journal.size).toBe(new Set(lines.map(({ key }) => key)).size);
      for (const { key, verdict } of lines.slice(0, 3)) expect(journal.get(key)).toMatchObject(verdict);
    }
  });

  it("loads its search indices", async () => {
    const index = await loadIndex(at("records/bm25"));
    expect((await index.search("who designed it", 1))[0]?.passage.title).toBe("Passage 0");
    const vectors = await VectorCache.open(at("records/embeddings.bin"));
    expect([vectors.size, vectors.dimensions]).toEqual([2, 3]);
  });

  it("recognizes a run that ended, and writes its report again", async () => {
    const again = await swirl("run", "-c", "config.json", "--output", "run");
    expect(again.err).toMatch(/train: done before/);
    expect(again).toMatchObject({ code: 0, out: expect.stringMatching(/trained +0\.0/) });
    const files = await writeReport(at("run"));
    expect(JSON.stringify(files)).toContain("report.md");
  });

  it("resumes a run that was killed in the middle of training", async () => {
    const resumed = await swirl("run", "-c", "config.json", "--output", "killed", "--json");
    expect(resumed).toMatchObject({ code: 0 });
    const { stages } = JSON.parse(resumed.out);
    expect(stages.train).toMatchObject({ steps: 12, resumedFrom: 4 });
    const policy = await load(at("killed/policy"));
    await policy.dispose();
  }, 60_000);
});

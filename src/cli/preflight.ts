/**
 * The mistakes that a command can find before it begins: options that contradict each other, files that are missing or
 * of another kind, models that do not fit into memory, endpoints that do not answer. `--dry-run` checks the same.
 * Nothing is written and no weights are read. The cheap checks come first.
 */
import { throwIfAborted } from "../async/map-concurrent.js";
import { readPassages } from "../data/read-passages.js";
import { SwirlError } from "../errors/swirl-error.js";
import { loadAddon } from "../native/load-addon.js";
import { selectDevice } from "../native/select-device.js";
import { openCheckpoint } from "../policy/checkpoint/checkpoint.js";
import { openAdapter } from "../policy/lora/adapter-folder.js";
import { newModules } from "../policy/lora/adapter-modules.js";
import { compactBytes, countParameters, stateBytes, weightBytes } from "../policy/memory-needs.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { checkVocabulary } from "../tokenizer/vocabulary.js";
import { EmbeddingIndex } from "../tools/search/index.js";
import { requireGold } from "../trajectory/question.js";
import { readTrajectories } from "../trajectory/store.js";
import { judgeParts } from "./config-judge.js";
import { type ModelBytes, requireMemory, type StageModels } from "./model-memory.js";
import { connectJudge } from "./open-judge.js";
import { openDemonstrations, openQuestions } from "./open-questions.js";
import { embeddingOptions } from "./open-task.js";
import { checkOptions, checkRollouts, type Does, type Work } from "./preflight-options.js";
import { sftSection, testQuestions, trainQuestions } from "./sections.js";
import type { Session } from "./session.js";
import { weightsBehind } from "./weights-options.js";

/** Checks all that `works` will need; `model` is the folder that the first of them begins with. */
export async function preflight(session: Session, works: readonly Work[], model?: string): Promise<void> {
  const checks = new Preflight(session, works, model);
  for (const check of [checks.options, checks.files, checks.models, checks.memory, checks.endpoints]) {
    throwIfAborted(session.signal);
    await check.call(checks);
  }
}

interface ModelNeeds {
  /** Where the config names it. */
  field: string;
  folder: string;
  /** Whether it reads and writes text. */
  text: boolean;
}

class Preflight {
  readonly #session: Session;
  readonly #works: readonly Work[];
  readonly #model: string | undefined;
  readonly #does: Does = (...works) => works.some((work) => this.#works.includes(work));
  readonly #weights = new Map<string, ModelBytes>();
  /** Folder of the base, where an adapter is trained or solves questions. */
  #base: string | undefined;
  /** Folders of judges on that base, which is in memory once. */
  readonly #onBase = new Set<string>();

  constructor(session: Session, works: readonly Work[], model: string | undefined) {
    this.#session = session;
    this.#works = works;
    this.#model = model;
  }

  get #judges(): ("judge" | "rewardJudge")[] {
    const { kind } = this.#session.config.filter;
    const filters = this.#does("filter") && (kind === "process" || kind === "both");
    return [
      ...(filters || this.#does("judge", "evaluate") ? (["judge"] as const) : []),
      ...(this.#does("train") ? (["rewardJudge"] as const) : []),
    ];
  }

  /** The folders of the judge's models, each once. */
  #judgeModels(which: "judge" | "rewardJudge"): string[] {
    const parts = judgeParts(this.#session.config[which]);
    return [...new Set(parts.flatMap((part) => (part.kind === "prompted" ? (part.model ?? []) : [])))];
  }

  get #referenceModel(): string | undefined {
    const { reference, klWeight } = this.#session.config.train;
    return klWeight > 0 ? (reference ?? this.#model) : undefined;
  }

  async options(): Promise<void> {
    await checkOptions(this.#session, this.#does, this.#judges);
  }

  async files(): Promise<void> {
    const { config } = this.#session;
    if (this.#does("synthesize")) {
      const questions = await openQuestions(this.#session, trainQuestions(this.#session));
      const byAnswer = config.filter.kind === "outcome" || config.filter.kind === "both";
      if (byAnswer && questions.every(({ answers }) => answers.length === 0))
        throw new SwirlError(
          "CONFIG",
          `config filter.kind: "${config.filter.kind}" compares answers, and no training question has one`,
          { remedy: 'use "process", or questions with answers', details: { field: "filter.kind" } },
        );
    }
    if (this.#does("evaluate"))
      requireGold(await openQuestions(this.#session, testQuestions(this.#session)), "evaluation");
    if (this.#does("sft")) {
      const { demonstrations, trajectories } = sftSection(this.#session);
      if (demonstrations) await openDemonstrations(this.#session, demonstrations, "sft.demonstrations");
      if (trajectories)
        await this.#requireTrajectory(trajectories, "give a file of trajectories as sft.trajectories");
    }
    if (this.#does("judge", "filter") && !this.#does("synthesize"))
      await this.#requireTrajectory(
        this.#session.paths.trajectories,
        "run `swirl synthesize` with this config first",
      );
    if (this.#does("train") && !this.#does("filter"))
      await this.#requireTrajectory(
        this.#session.paths.kept,
        "run `swirl filter` with this config first; its table says why it keeps what",
      );
    const { task } = config;
    if (task?.examples && this.#does("sft", "synthesize", "evaluate", "solve"))
      await openDemonstrations(this.#session, task.examples, "task.examples");
    if (task?.kind === "search" && this.#does("sft", "synthesize", "evaluate", "solve"))
      for (const file of [task.corpus].flat()) await this.#firstPassage(file);
  }

  /** Headers, tokenizer and template of every model, and the rollout's options against those. */
  async models(): Promise<void> {
    for (const { field, folder, text } of this.#models()) {
      try {
        const trained = field === "model" && this.#does("sft", "train");
        const found = await weightsBehind(this.#session.config, folder, trained);
        const checkpoint = await openCheckpoint(found.model);
        const { model } = checkpoint.config;
        const { adapter } = found;
        const modules =
          adapter === undefined
            ? []
            : "lora" in adapter
              ? newModules(adapter.lora, model)
              : (await openAdapter(adapter.folder, model)).modules;
        const counts = countParameters(model, modules);
        const { dtype, optimizerState } = this.#session.config;
        const compact = optimizerState === "compact" && counts.adapter === 0;
        const known = this.#weights.get(folder); // of the model that is trained, which comes first
        this.#weights.set(
          folder,
          known ?? {
            held: weightBytes(counts, dtype, false),
            trained: compact ? compactBytes(counts) : weightBytes(counts, dtype, true) + stateBytes(counts),
          },
        );
        if (field === "model") this.#base = modules.length > 0 ? found.model : undefined;
        else if (found.model === this.#base) this.#onBase.add(folder);
        if (!text) continue;
        const tokenizer = await Tokenizer.load(checkpoint.folder);
        checkVocabulary(tokenizer, model.vocab);
        if (field === "model") checkRollouts(this.#session.config, this.#does, tokenizer, model.maxPositions);
      } catch (error) {
        if (!SwirlError.isInstance(error) || error.code === "CONFIG") throw error;
        throw new SwirlError(error.code, `config ${field}: ${error.message}`, {
          details: { ...error.details, field },
          cause: error,
        });
      }
    }
  }

  #models(): ModelNeeds[] {
    const texts = this.#does("sft", "synthesize", "train", "evaluate", "solve");
    const { reference } = this.#session.config.train;
    const all: [field: string, folder: string | undefined, text: boolean][] = [
      ["model", this.#model, texts],
      ...this.#judges.flatMap((which) =>
        this.#judgeModels(which).map((folder): [string, string, boolean] => [`${which}.model`, folder, true]),
      ),
      ["train.reference", this.#does("train") && this.#referenceModel ? reference : undefined, false],
    ];
    return all.flatMap(([field, folder, text]) => (folder === undefined ? [] : [{ field, folder, text }]));
  }

  memory(): void {
    const { device, memoryBudget } = this.#session.config;
    if (this.#weights.size === 0 || !selectDevice(device, loadAddon()).device.name.startsWith("cpu")) return;
    for (const stage of this.#held()) requireMemory(stage, this.#weights, memoryBudget);
  }

  /** The reference policy, unless it is on the base that an adapter is trained on, which is in memory once. */
  get #referenceModels(): (string | undefined)[] {
    const { reference } = this.#session.config.train;
    const shared = this.#base !== undefined && (reference === undefined || reference === this.#base);
    return shared ? [] : [this.#referenceModel];
  }

  /** Judges' models that need memory of their own next to the policy's. */
  #judgesLoaded(which: "judge" | "rewardJudge"): string[] {
    return this.#judgeModels(which).filter((folder) => !this.#onBase.has(folder));
  }

  /** The models that each stage has in memory at once. */
  #held(): StageModels[] {
    const model = this.#model;
    const held = (trained: boolean, ...others: (string | undefined)[]) => [
      ...(model === undefined ? [] : [{ folder: model, trained }]),
      ...others.flatMap((folder) => (folder === undefined ? [] : [{ folder, trained: false }])),
    ];
    return this.#works.map((work) => ({
      work,
      folders:
        work === "train"
          ? held(true, ...this.#referenceModels, ...this.#judgesLoaded("rewardJudge"))
          : work === "sft"
            ? held(true)
            : work === "evaluate"
              ? held(false, ...this.#judgesLoaded("judge"))
              : work === "judge" || work === "filter"
                ? held(false, ...this.#judgeModels("judge")).filter(({ folder }) => folder !== model)
                : held(false),
    }));
  }

  async endpoints(): Promise<void> {
    const asked = new Set<string>();
    for (const which of this.#judges) {
      for (const judge of judgeParts(this.#session.config[which])) {
        if (judge.kind !== "prompted" || !judge.endpoint) continue;
        const key = JSON.stringify(judge.endpoint);
        if (!asked.has(key)) await (await connectJudge(this.#session, judge, which)).dispose();
        asked.add(key);
      }
    }
    const { task } = this.#session.config;
    if (task?.kind !== "search" || !task.embedding || !this.#does("sft", "synthesize", "evaluate", "solve"))
      return;
    const passage = await this.#firstPassage([task.corpus].flat()[0]!);
    await EmbeddingIndex.build([passage], embeddingOptions(this.#session, task.embedding));
  }

  async #requireTrajectory(file: string, remedy: string): Promise<void> {
    const torn = () => {}; // said by the stage that reads it
    for await (const _ of readTrajectories(file, { onTorn: torn })) return;
    throw new SwirlError("CONFIG", `${file} holds no trajectory`, { remedy, details: { file } });
  }

  async #firstPassage(file: string) {
    for await (const passage of readPassages(file)) return passage;
    throw new SwirlError("CONFIG", `config task.corpus: ${file} holds no passage`, {
      remedy: "give files of passages, see docs/data.md",
      details: { file, field: "task.corpus" },
    });
  }
}

/**
 * Invented worlds, pure functions of their seed: people, guilds and towns with one short article per fact, questions of
 * several hops over them, and word problems of several operations. `createWorld` makes the demo's: two or three steps.
 *
 * "Held out" means that held-out lookup questions are about entities no training question, demonstration or state
 * touches (the two halves of the world do not refer to each other; both are in the one index that is searched), and
 * held-out problems use combinations of numbers that no training problem uses.
 */

import { createRandom, type Question, type Random } from "../index.js";
import {
  type EntityKind,
  FIRST_WORDS,
  factSentence,
  LAST_WORDS,
  type LookupPlan,
  lookupQuestion,
  type Operator,
  type Plan,
  RELATIONS,
  type SumPlan,
  THINGS,
  VERBS,
} from "./language.js";

/** An article of the world: one fact. */
export interface Article {
  /** The title. */
  title: string;
  /** The text. */
  text: string;
}

/** A question of the world, with its plan and the right result of every step. */
export interface WorldQuestion extends Question {
  /** What it asks for, step by step. */
  plan: Plan;
  /** One per step of the plan; the last is the answer. */
  results: string[];
}

/** Sizes of a {@link World}. */
export interface WorldSizes {
  /** Entities of each kind in the half that is trained on. */
  trainEntities: number;
  /** Entities of each kind in the half that is held out. */
  heldOutEntities: number;
  /** Questions with demonstrations. */
  demonstrations: number;
  /** Questions to train on. */
  train: number;
  /** Questions held out. */
  heldOut: number;
}

/** The demo's world. */
export interface World {
  /** The facts, one per article. */
  articles: Article[];
  /** Questions that the demonstrations answer. */
  demonstrations: WorldQuestion[];
  /** Questions that stage 1 rolls out. */
  train: WorldQuestion[];
  /** Questions of the evaluation. */
  heldOut: WorldQuestion[];
}

/** Kinds of questions in a list, and their sizes. */
export interface QuestionMix {
  /** Share of questions that are word problems, 0 … 1. */
  sumShare: number;
  /** Numbers of steps that a question may have, each equally often. */
  steps: readonly number[];
  /** Largest amount, at most 99, so that each is one token. @default 99 */
  largest?: number;
  /** Some amount of every word problem is at least this. @default 0 */
  reaches?: number;
}

/** A list of questions to draw. */
export interface QuestionList {
  /** The half of the world that lookup questions are about. */
  half: "train" | "held-out";
  /** Number of questions. */
  count: number;
  /** Kinds of questions. */
  mix: QuestionMix;
  /** No two questions of the list have the same text. @default false */
  distinct?: boolean;
}

interface Entity {
  name: string;
  kind: EntityKind;
  facts: Map<string, Entity>;
}

const DEMO_MIX: QuestionMix = { sumShare: 0.5, steps: [3, 2] };

const KINDS = Object.keys(RELATIONS) as EntityKind[];

/** The demo's world. */
export function createWorld(seed: number, sizes: WorldSizes): World {
  const { trainEntities, heldOutEntities } = sizes;
  const list = (half: QuestionList["half"], count: number): QuestionList => ({ half, count, mix: DEMO_MIX });
  const { articles, questions } = drawWorld(
    seed,
    { train: trainEntities, heldOut: heldOutEntities },
    {
      demonstration: list("train", sizes.demonstrations),
      train: list("train", sizes.train),
      "held-out": list("held-out", sizes.heldOut),
    },
  );
  return {
    articles,
    demonstrations: questions.demonstration,
    train: questions.train,
    heldOut: questions["held-out"],
  };
}

/** Entities of each kind in the two halves of a world. Questions of one half never refer to the other. */
export interface EntityCounts {
  /** In the half that is trained on. */
  train: number;
  /** In the half that is held out. */
  heldOut: number;
}

/** The articles and questions of {@link drawWorld}. */
export interface DrawnWorld<Name extends string> {
  /** The facts of both halves, one per article. */
  articles: Article[];
  /** The lists of questions, by name. */
  questions: Record<Name, WorldQuestion[]>;
}

/**
 * Draws a world and lists of questions about it. The same arguments give the same world. The numbers of a word problem
 * occur in one list only, so the order of the lists matters.
 *
 * @param lists What to draw, by name. The ids of the questions begin with the name.
 * @example
 * const mix = { sumShare: 0, steps: [2] };
 * const { articles, questions } = drawWorld(
 *   0,
 *   { train: 50, heldOut: 20 },
 *   { train: { half: "train", count: 100, mix }, test: { half: "held-out", count: 20, mix } },
 * );
 */
export function drawWorld<Name extends string>(
  seed: number,
  entities: EntityCounts,
  lists: Readonly<Record<Name, QuestionList>>,
): DrawnWorld<Name> {
  const random = createRandom(seed, "world");
  const names = random.shuffle(FIRST_WORDS.flatMap((first) => LAST_WORDS.map((last) => `${first} ${last}`)));
  const halves = {
    train: createHalf(random, names.splice(0, KINDS.length * entities.train)),
    "held-out": createHalf(random, names.splice(0, KINDS.length * entities.heldOut)),
  };
  const taken = new Set<string>();
  const draw = (name: string, { half, count, mix, distinct = false }: QuestionList): WorldQuestion[] => {
    const own = createRandom(seed, name);
    const fresh = new Set<string>();
    const texts = new Set<string>();
    const out: WorldQuestion[] = [];
    while (out.length < count) {
      const question =
        own.next() < mix.sumShare ? sumQuestion(own, mix, taken, fresh) : lookup(own, mix, halves[half]);
      if (distinct && texts.has(question.question)) continue;
      texts.add(question.question);
      out.push({ id: `${name}-${out.length}`, ...question });
    }
    for (const key of fresh) taken.add(key);
    return out;
  };
  return {
    articles: [...halves.train, ...halves["held-out"]].flatMap((entity) =>
      [...entity.facts].map(([relation, value]) => ({
        title: entity.name,
        text: factSentence(relation, entity.name, value.name),
      })),
    ),
    questions: Object.fromEntries(
      (Object.entries(lists) as [Name, QuestionList][]).map(([name, list]) => [name, draw(name, list)]),
    ) as Record<Name, WorldQuestion[]>,
  };
}

function createHalf(random: Random, names: string[]): Entity[] {
  const entities = names.map(
    (name, i): Entity => ({ name, kind: KINDS[i % KINDS.length]!, facts: new Map() }),
  );
  const ofKind = (kind: EntityKind) => entities.filter((entity) => entity.kind === kind);
  const byKind = { person: ofKind("person"), guild: ofKind("guild"), town: ofKind("town") };
  for (const entity of entities) {
    for (const [relation, kind] of Object.entries(RELATIONS[entity.kind])) {
      const others = byKind[kind].filter((other) => other !== entity);
      entity.facts.set(relation, random.pick(others));
    }
  }
  return entities;
}

type Drawn = Omit<WorldQuestion, "id">;

/** A walk that visits no entity twice, so that no step's result can be read off an earlier one. */
function lookup(random: Random, mix: QuestionMix, half: readonly Entity[]): Drawn {
  const hops = random.pick(mix.steps);
  for (;;) {
    const start = random.pick(half);
    const path = [start];
    const plan: LookupPlan = { kind: "lookup", entity: start.name, relations: [] };
    for (let hop = 0; hop < hops; hop++) {
      const [relation, value] = random.pick([...path[hop]!.facts]);
      plan.relations.push(relation);
      path.push(value);
    }
    if (new Set(path).size < path.length || new Set(plan.relations).size < hops) continue;
    const results = path.slice(1).map((entity) => entity.name);
    return {
      question: lookupQuestion(plan),
      answers: [results[hops - 1]!],
      tags: { kind: "lookup", steps: String(hops) },
      plan,
      results,
    };
  }
}

/**
 * Amounts are whole and have at most two digits, so that each is one token; the numbers of one problem differ, so that
 * a copied number shows where it came from.
 */
function sumQuestion(
  random: Random,
  { steps: lengths, largest = 99, reaches = 0 }: QuestionMix,
  taken: ReadonlySet<string>,
  fresh: Set<string>,
): Drawn {
  const steps = random.pick(lengths);
  for (;;) {
    const plan: SumPlan = { kind: "sum", start: random.integer(2, largest), operations: [] };
    const results: number[] = [];
    let amount = plan.start;
    for (let step = 0; step < steps; step++) {
      const operator = random.pick<Operator>(["+", "+", "-", "-", "*", "/"]);
      const operand =
        operator === "*" || operator === "/" ? random.integer(2, 9) : random.integer(2, largest - 10);
      plan.operations.push({ operator, operand });
      amount = apply(amount, operator, operand);
      results.push(amount);
    }
    const numbers = [plan.start, ...plan.operations.map((o) => o.operand), ...results];
    if (results.some((n) => n < 2 || n > largest || !Number.isInteger(n))) continue;
    if (new Set(numbers).size < numbers.length || Math.max(...numbers) < reaches) continue;
    const key = [plan.start, ...plan.operations.map((o) => o.operator + o.operand)].join(" ");
    if (taken.has(key)) continue;
    fresh.add(key);
    const clauses = plan.operations.map(
      ({ operator, operand }) => `${random.pick(VERBS[operator])} ${operand}`,
    );
    return {
      question: `${random.pick(FIRST_WORDS)} has ${plan.start} ${random.pick(THINGS)}, ${clauses.join(", ")}. How many?`,
      answers: [String(amount)],
      tags: { kind: "sum", steps: String(steps) },
      plan,
      results: results.map(String),
    };
  }
}

function apply(amount: number, operator: Operator, operand: number): number {
  switch (operator) {
    case "+":
      return amount + operand;
    case "-":
      return amount - operand;
    case "*":
      return amount * operand;
    case "/":
      return amount / operand;
  }
}

/**
 * The demo's world, a pure function of its seed: invented people, guilds and towns with one short article per fact,
 * questions of two or three hops over them, and word problems of two or three operations.
 *
 * Held out means: held-out lookup questions are about entities no training question, demonstration or state touches
 * (the two halves of the world do not refer to each other; both are in the one index that is searched), and held-out
 * problems use combinations of numbers no training problem uses.
 */

import { createRandom, type Random } from "../random/random.js";
import type { Question } from "../trajectory/question.js";
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

export interface Article {
  title: string;
  text: string;
}

/** A question, what it asks for step by step, and the right result of every step. */
export interface WorldQuestion extends Question {
  plan: Plan;
  /** One per step of the plan; the last is the answer. */
  results: string[];
}

export interface WorldSizes {
  /** Entities of each kind in the half that is trained on, and in the half that is held out. */
  trainEntities: number;
  heldOutEntities: number;
  demonstrations: number;
  train: number;
  heldOut: number;
}

export interface World {
  articles: Article[];
  /** Questions the demonstrations answer. */
  demonstrations: WorldQuestion[];
  /** Questions stage 1 rolls out. */
  train: WorldQuestion[];
  heldOut: WorldQuestion[];
}

interface Entity {
  name: string;
  kind: EntityKind;
  facts: Map<string, Entity>;
}

/** Share of questions that are word problems. */
const SUM_SHARE = 0.5;
/** Share of questions with three steps; the others have two. */
const LONG_SHARE = 0.5;

const KINDS = Object.keys(RELATIONS) as EntityKind[];

export function createWorld(seed: number, sizes: WorldSizes): World {
  const random = createRandom(seed, "world");
  const names = random.shuffle(FIRST_WORDS.flatMap((first) => LAST_WORDS.map((last) => `${first} ${last}`)));
  const trainHalf = createHalf(random, names.splice(0, KINDS.length * sizes.trainEntities));
  const heldOutHalf = createHalf(random, names.splice(0, KINDS.length * sizes.heldOutEntities));
  const taken = new Set<string>();
  const questions = (prefix: string, half: Entity[], count: number): WorldQuestion[] => {
    const own = createRandom(seed, prefix);
    const fresh = new Set<string>();
    const out: WorldQuestion[] = [];
    while (out.length < count) {
      const question = own.next() < SUM_SHARE ? sumQuestion(own, taken, fresh) : lookup(own, half);
      out.push({ id: `${prefix}-${out.length}`, ...question });
    }
    for (const key of fresh) taken.add(key);
    return out;
  };
  return {
    articles: [...trainHalf, ...heldOutHalf].flatMap((entity) =>
      [...entity.facts].map(([relation, value]) => ({
        title: entity.name,
        text: factSentence(relation, entity.name, value.name),
      })),
    ),
    demonstrations: questions("demonstration", trainHalf, sizes.demonstrations),
    train: questions("train", trainHalf, sizes.train),
    heldOut: questions("held-out", heldOutHalf, sizes.heldOut),
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
function lookup(random: Random, half: readonly Entity[]): Drawn {
  const hops = random.next() < LONG_SHARE ? 3 : 2;
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
 * a copied one says where it is from.
 */
function sumQuestion(random: Random, taken: ReadonlySet<string>, fresh: Set<string>): Drawn {
  const steps = random.next() < LONG_SHARE ? 3 : 2;
  for (;;) {
    const plan: SumPlan = { kind: "sum", start: random.integer(2, 99), operations: [] };
    const results: number[] = [];
    let amount = plan.start;
    for (let step = 0; step < steps; step++) {
      const operator = random.pick<Operator>(["+", "+", "-", "-", "*", "/"]);
      const operand = operator === "*" || operator === "/" ? random.integer(2, 9) : random.integer(2, 89);
      plan.operations.push({ operator, operand });
      amount = apply(amount, operator, operand);
      results.push(amount);
    }
    const numbers = [plan.start, ...plan.operations.map((o) => o.operand), ...results];
    if (results.some((n) => n < 2 || n > 99 || !Number.isInteger(n))) continue;
    if (new Set(numbers).size < numbers.length) continue;
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

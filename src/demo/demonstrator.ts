/**
 * The demonstrator answers the demo's questions with the tools and makes the mistakes that people make. Its mistakes are
 * the starting point of the demo: the policy that imitates them gets about three in ten held-out questions right.
 *
 * It believes what it reads: after a wrong call it continues from the wrong result. Its worst habit is to answer a
 * three-step question after two steps more often than not.
 */

import type { Random } from "../index.js";
import {
  expression,
  FIRST_WORDS,
  LAST_WORDS,
  type LookupPlan,
  lookupQuery,
  lookupQuestion,
  type Operator,
  type SumPlan,
} from "./language.js";
import { lastNumber } from "./oracle.js";
import type { WorldQuestion } from "./world.js";

/** Mistakes of the demonstrator: the share of steps with each, 0 … 1, among the steps where it is possible. */
export interface MistakeRates {
  /** Answers with the last result although steps are left. */
  answersEarly: number;
  /** The same, before the third step of three. */
  answersBeforeThird: number;
  /** Makes the last call again. */
  repeats: number;
  /** Takes a relation, or a number, of another step. */
  wrongOrder: number;
  /** Continues from the result before the last. */
  staleResult: number;
  /** Gets a word of a name, or a digit of a number, wrong. */
  slips: number;
  /** Takes the wrong operator. */
  wrongOperator: number;
  /** Answers with something other than the last result. */
  wrongAnswer: number;
}

/** The mistakes of the demo. */
export const DEMONSTRATION_MISTAKES: MistakeRates = {
  answersEarly: 0.04,
  answersBeforeThird: 0.62,
  repeats: 0.05,
  wrongOrder: 0.02,
  staleResult: 0.05,
  slips: 0.03,
  wrongOperator: 0.02,
  wrongAnswer: 0.03,
};

export interface Turn {
  action: string;
  observation: string;
}

type Mistake = keyof MistakeRates | "none";

/** The next action, tags included; with `thinks`, a chain of thought before it: what is left of the question. */
export function demonstrate(
  question: WorldQuestion,
  history: readonly Turn[],
  random: Random,
  rates: MistakeRates = DEMONSTRATION_MISTAKES,
  thinks = false,
): string {
  const calls = history.map((turn) => turn.action.slice(turn.action.indexOf("<")));
  const position = new Set(calls).size; // a repeated call does not count twice
  const action = act(question, calls, position, history, random, rates);
  return thinks ? `${remaining(question, position, history)}${action}` : action;
}

function act(
  question: WorldQuestion,
  calls: readonly string[],
  position: number,
  history: readonly Turn[],
  random: Random,
  rates: MistakeRates,
): string {
  const { plan } = question;
  const steps = question.results.length;
  const results = history.map((turn) => readResult(question, turn.observation));
  const last = results.at(-1);
  const draw = (possible: readonly (keyof MistakeRates)[]): Mistake => {
    let left = random.next();
    for (const mistake of possible) {
      left -= rates[mistake];
      if (left < 0) return mistake;
    }
    return "none";
  };
  const repeat = calls.at(-1);

  if (last !== undefined && position >= steps) {
    const mistake = draw(["wrongAnswer", "slips"]);
    if (mistake === "wrongAnswer") return answer(results.length > 1 ? results[0]! : last);
    return answer(mistake === "slips" ? slip(last, random) : last);
  }
  const early: keyof MistakeRates = position === 2 ? "answersBeforeThird" : "answersEarly";
  const always: (keyof MistakeRates)[] = ["slips", "wrongOrder"];
  if (plan.kind === "sum") always.push("wrongOperator");
  const mistake = draw(last === undefined ? always : [early, "repeats", "staleResult", ...always]);
  if (mistake === early) return answer(last!);
  if (mistake === "repeats" && calls.at(-2) !== repeat) return repeat!;
  const before =
    mistake === "staleResult" ? (results.at(-2) ?? firstOperand(plan)) : (last ?? firstOperand(plan));
  const from = mistake === "slips" ? slip(before, random) : before;
  return plan.kind === "lookup"
    ? search(plan, position, from, mistake, random)
    : calculate(plan, position, from, mistake, random);
}

function search(plan: LookupPlan, position: number, from: string, mistake: Mistake, random: Random): string {
  const others = plan.relations.filter((_, i) => i !== position);
  const relation = mistake === "wrongOrder" ? random.pick(others) : plan.relations[position]!;
  return `<search_query> ${lookupQuery(relation, from)}</search_query>`;
}

function calculate(plan: SumPlan, position: number, from: string, mistake: Mistake, random: Random): string {
  const { operator, operand } = plan.operations[position]!;
  const others = plan.operations.filter((_, i) => i !== position);
  const right = mistake === "wrongOrder" ? random.pick(others).operand : operand;
  const sign: Operator =
    mistake === "wrongOperator"
      ? random.pick((["+", "-", "*"] as const).filter((o) => o !== operator))
      : operator;
  return `<math_exp>${expression(from, sign, right)}</math_exp>`;
}

function answer(text: string): string {
  return `<answer>${/^\d/.test(text) ? "" : " "}${text}</answer>`;
}

/** The question that is left after `position` steps, as it would be asked; nothing once all are done. */
function remaining(question: WorldQuestion, position: number, history: readonly Turn[]): string {
  const { plan, results } = question;
  if (position >= results.length) return "";
  const newest = history.at(-1);
  const from = newest === undefined ? firstOperand(plan) : readResult(question, newest.observation);
  if (plan.kind === "lookup")
    return lookupQuestion({ kind: "lookup", entity: from, relations: plan.relations.slice(position) });
  const [start, ...clauses] = question.question.split(", ");
  return [start!.replace(/\d+/, from), ...clauses.slice(position)].join(", ");
}

function firstOperand(plan: LookupPlan | SumPlan): string {
  return plan.kind === "lookup" ? plan.entity : String(plan.start);
}

/** What the demonstrator takes as the result in a reply: the name after "is", or the number at its end. */
function readResult(question: WorldQuestion, observation: string): string {
  if (question.plan.kind === "sum") return String(lastNumber(observation) ?? question.plan.start);
  return / is ([A-Z][a-z]+ [A-Z][a-z]+)\./.exec(observation)?.[1] ?? question.plan.entity;
}

/** Another digit in one place, or another word in one half of a name. */
function slip(text: string, random: Random): string {
  if (/^\d/.test(text)) {
    const at = random.integer(0, text.length - 1);
    const digit = (Number(text[at]) + random.integer(1, 8)) % 10;
    return text.slice(0, at) + (at === 0 && digit === 0 ? 1 : digit) + text.slice(at + 1);
  }
  const [first, second] = text.split(" ");
  return random.next() < 0.5
    ? `${random.pick(FIRST_WORDS)} ${second}`
    : `${first} ${random.pick(LAST_WORDS)}`;
}

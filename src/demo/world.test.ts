/** The world is a pure function of its seed, its questions have one right answer, and what is held out is unseen. */
import { describe, expect, it } from "vitest";
import { FIRST_WORDS, LAST_WORDS, readQuestion } from "./language.js";
import { planSteps } from "./oracle.js";
import { createWorld, type WorldQuestion } from "./world.js";

const sizes = { trainEntities: 30, heldOutEntities: 20, demonstrations: 400, train: 100, heldOut: 100 };
const world = createWorld(7, sizes);

const lookups = (questions: readonly WorldQuestion[]) => questions.filter((q) => q.plan.kind === "lookup");
const sums = (questions: readonly WorldQuestion[]) => questions.filter((q) => q.plan.kind === "sum");

describe("the demo's world", () => {
  it("is the same for the same seed, and another for another", () => {
    expect(createWorld(7, sizes)).toEqual(world);
    expect(createWorld(8, sizes).articles).not.toEqual(world.articles);
  });

  it("has names of words that are used once in the language", () => {
    expect(new Set([...FIRST_WORDS, ...LAST_WORDS]).size).toBe(FIRST_WORDS.length + LAST_WORDS.length);
    expect(FIRST_WORDS.length * LAST_WORDS.length).toBeGreaterThanOrEqual(1600);
  });

  it("has one article for each of three facts of every entity", () => {
    const entities = 3 * (sizes.trainEntities + sizes.heldOutEntities);
    expect(world.articles).toHaveLength(3 * entities);
    expect(new Set(world.articles.map((article) => article.title)).size).toBe(entities);
    expect(new Set(world.articles.map((article) => article.text.split(" is ")[0])).size).toBe(3 * entities);
  });

  it("asks for what the articles say: following them gives the answer", () => {
    const facts = new Map(
      world.articles.map(({ text }) => text.slice(4, -1).split(" is ") as [string, string]),
    );
    for (const { plan, answers, results } of lookups([...world.train, ...world.heldOut])) {
      if (plan.kind !== "lookup") throw new Error("unreachable");
      let entity = plan.entity;
      for (const relation of plan.relations) entity = facts.get(`${relation} of ${entity}`)!;
      expect([entity]).toEqual(answers);
      expect(results.at(-1)).toBe(entity);
    }
  });

  it("asks problems whose arithmetic gives the answer", () => {
    for (const { plan, question, answers } of sums(world.heldOut)) {
      if (plan.kind !== "sum") throw new Error("unreachable");
      let amount = plan.start;
      for (const { operator, operand } of plan.operations) {
        if (operator === "+") amount += operand;
        else if (operator === "-") amount -= operand;
        else if (operator === "*") amount *= operand;
        else amount /= operand;
      }
      expect(answers).toEqual([String(amount)]);
      expect(readQuestion(question).numbers).toEqual([plan.start, ...plan.operations.map((o) => o.operand)]);
      expect(readQuestion(question).operators).toEqual(plan.operations.map((o) => o.operator));
    }
  });

  it("mixes both kinds, of two and of three steps", () => {
    const counts = new Map<string, number>();
    for (const { tags } of world.heldOut) {
      const key = `${tags!.kind} ${tags!.steps}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(4);
    for (const count of counts.values()) expect(count).toBeGreaterThan(sizes.heldOut / 10);
  });

  it("holds out entities: no held-out step touches a name of the trained half", () => {
    const touched = (questions: readonly WorldQuestion[]) =>
      new Set(
        lookups(questions).flatMap((q) => [q.plan.kind === "lookup" ? q.plan.entity : "", ...q.results]),
      );
    const seen = touched([...world.demonstrations, ...world.train]);
    for (const name of touched(world.heldOut)) expect(seen).not.toContain(name);
  });

  it("holds out number combinations", () => {
    const combination = ({ plan }: WorldQuestion) => JSON.stringify(plan);
    const seen = new Set(sums([...world.demonstrations, ...world.train]).map(combination));
    for (const question of sums(world.heldOut)) expect(seen).not.toContain(combination(question));
  });

  it("gives every question a text of its own within a list", () => {
    expect(new Set(world.train.map((q) => q.id)).size).toBe(sizes.train);
    for (const list of [world.demonstrations, world.train, world.heldOut]) {
      const answers = new Map<string, string>();
      for (const {
        question,
        answers: [answer],
      } of list) {
        expect(answers.get(question) ?? answer).toBe(answer);
        answers.set(question, answer!);
      }
    }
  });

  it("needs as many steps as its plan has", () => {
    for (const question of world.heldOut)
      expect(String(planSteps(question).length)).toBe(question.tags!.steps);
  });
});

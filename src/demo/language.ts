/**
 * The demo's language: every word its articles, questions and actions are made of, and the sentence each fact and
 * problem is written as. The same in every seed, because the tokenizer's vocabulary is these words.
 *
 * Written forms:
 *   lookup question   What is the <relation> of the <relation> of <Name>?
 *   article           The <relation> of <Name> is <Name>.
 *   search query      <relation> of <Name>
 *   sum question      <First> has <n> <things>, <verb> <n>, <verb> <n>. How many?
 *   calculator call   <n> <operator> <n>
 */

/** First words of names; with LAST_WORDS they make 1,600 names of which a world uses a few hundred. */
export const FIRST_WORDS: readonly string[] = (
  "Abor Anse Bryn Calo Cerin Dara Dovan Edra Elun Fenna Galen Hesk Ilva Ister Jorin Kesh Kolva Lirin Maro Mira " +
  "Nadel Nivo Oru Osten Pell Prya Quen Rhosa Rulo Sarn Selm Tavi Torun Ulva Vanna Veld Wyn Yarro Yven Zoral"
).split(" ");
export const LAST_WORDS: readonly string[] = (
  "Ambry Ashvale Belm Brask Cald Corvane Dren Dunmar Eastry Ember Farro Fell Garrick Grole Harth Holm Ivory Jessel " +
  "Karsk Lorne Marsh Morrow Nash Oakes Ombry Pike Quill Rask Rowe Sable Stone Tarn Thorne Umber Vale Voss Wick Wolde " +
  "Yates Zell"
).split(" ");

export type EntityKind = "person" | "guild" | "town";

/** What each kind of entity has, and the kind of entity it is. Every entity has all relations of its kind. */
export const RELATIONS: Readonly<Record<EntityKind, Readonly<Record<string, EntityKind>>>> = {
  person: { birthplace: "town", teacher: "person", employer: "guild" },
  guild: { founder: "person", seat: "town", rival: "guild" },
  town: { mayor: "person", twin: "town", market: "guild" },
};
export const RELATION_WORDS: readonly string[] = Object.values(RELATIONS).flatMap((r) => Object.keys(r));

export const THINGS: readonly string[] = "pins jars nails bells cups coins lamps ropes seeds shells".split(
  " ",
);

/** An operation of the calculator. */
export type Operator = "+" | "-" | "*" | "/";
/** How a problem says each operation: the words between the running amount and the next number. */
export const VERBS: Readonly<Record<Operator, readonly string[]>> = {
  "+": ["buys", "finds"],
  "-": ["loses", "sells"],
  "*": ["multiplies by"],
  "/": ["divides by"],
};

/** The plan of a lookup question. */
export interface LookupPlan {
  /** Answered by searching. */
  kind: "lookup";
  /** The name in the question, where the lookup starts. */
  entity: string;
  /** In the order in which they are looked up: the relation written last in the question comes first. */
  relations: string[];
}

/** One operation of a word problem. */
export interface Operation {
  /** What is done with the amount so far. */
  operator: Operator;
  /** The number in the question. */
  operand: number;
}

/** The plan of a word problem. */
export interface SumPlan {
  /** Answered by calculating. */
  kind: "sum";
  /** The first amount. */
  start: number;
  /** In the order in which the question tells them. */
  operations: Operation[];
}

/** What a question asks for, step by step. */
export type Plan = LookupPlan | SumPlan;

export function lookupQuestion(plan: LookupPlan): string {
  return `What is the ${[...plan.relations].reverse().join(" of the ")} of ${plan.entity}?`;
}
export function lookupQuery(relation: string, entity: string): string {
  return `${relation} of ${entity}`;
}
export function factSentence(relation: string, entity: string, value: string): string {
  return `The ${relation} of ${entity} is ${value}.`;
}
export function expression(left: string | number, operator: Operator, right: string | number): string {
  return `${left} ${operator} ${right}`;
}

/** What can be read off a question without knowing any fact: its relations, name, numbers and verbs, as written. */
export interface QuestionReading {
  relations: string[]; // as written: the first is the one asked for
  entity: string | undefined;
  numbers: number[];
  operators: Operator[];
}

const VERB_OPERATORS: readonly [string, Operator][] = (
  Object.entries(VERBS) as [Operator, readonly string[]][]
).flatMap(([operator, verbs]) => verbs.map((verb): [string, Operator] => [verb, operator]));

export function readQuestion(question: string): QuestionReading {
  const name = /of ([A-Z][a-z]+ [A-Z][a-z]+)\?/.exec(question)?.[1];
  const words = question.match(/[a-z]+/g) ?? [];
  return {
    relations: words.filter((word) => RELATION_WORDS.includes(word)),
    entity: name,
    numbers: (question.match(/\d+/g) ?? []).map(Number),
    operators: question
      .split(",")
      .slice(1)
      .flatMap((clause) =>
        VERB_OPERATORS.filter(([verb]) => clause.trim().startsWith(verb)).map(([, op]) => op),
      ),
  };
}

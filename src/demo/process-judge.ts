/**
 * The judge the demo filters and rewards with: rules over what a reader of the conversation can see. It knows no
 * fact, no plan and no gold answer, and it is fallible on purpose, like a real judge: it does not check in which order
 * relations and numbers are taken, and it does not notice that an earlier step was wrong.
 *
 * A call is good if it is not a repetition, continues from the newest result (or from the question, if there is none)
 * and takes something from the question that was not used yet. An answer is good if as many calls were answered as the
 * question asks for and it is the newest result.
 */
import type { StepView } from "../index.js";
import { type QuestionReading, RELATION_WORDS, readQuestion } from "./language.js";
import { lastNumber, sameText } from "./oracle.js";

export interface Judgment {
  good: boolean;
  reason: string;
}

const good = (reason: string): Judgment => ({ good: true, reason });
const bad = (reason: string): Judgment => ({ good: false, reason });

export function judgeProcess(step: StepView): Judgment {
  const question = readQuestion(step.question);
  const calls = step.history.flatMap(({ action, observation }) => {
    const call = /<(?:search_query|math_exp)>([\s\S]*?)<\//.exec(action)?.[1];
    return call === undefined || observation === undefined ? [] : [{ call: call.trim(), observation }];
  });
  const newest = calls.at(-1)?.observation;
  const needed = Math.max(question.relations.length, question.operators.length);

  if (step.kind === "answer") {
    const answered = new Set(calls.map(({ call }) => call)).size;
    if (newest === undefined || answered < needed)
      return bad(`${needed} steps are asked for, ${answered} were made`);
    return sameText(step.answer ?? "", result(newest) ?? "")
      ? good("the answer is the newest result")
      : bad("the answer is not the newest result");
  }
  if (step.kind !== "call" || !step.call) return bad("neither a call nor an answer");
  const input = step.call.input.trim();
  if (calls.some(({ call }) => sameText(call, input))) return bad("the call was made before");
  return question.entity === undefined
    ? judgeExpression(input, question, calls, newest)
    : judgeQuery(input, question.relations, newest === undefined ? question.entity : result(newest), calls);
}

function judgeQuery(
  query: string,
  asked: readonly string[],
  from: string | undefined,
  calls: readonly { call: string }[],
): Judgment {
  const [, relation, entity] = /^([a-z]+) of ([A-Z][a-z]+ [A-Z][a-z]+)$/.exec(query) ?? [];
  if (relation === undefined || entity === undefined) return bad("the query names no relation of something");
  if (!asked.includes(relation)) return bad(`the question does not ask for ${relation}`);
  const used = calls.map(({ call }) => RELATION_WORDS.find((word) => call.startsWith(word)));
  if (used.includes(relation)) return bad(`${relation} was looked up before`);
  if (entity !== from) return bad(`${entity} is not what was found last`);
  return good("it continues from what was found last");
}

function judgeExpression(
  text: string,
  { numbers, operators }: QuestionReading,
  calls: readonly { call: string }[],
  newest: string | undefined,
): Judgment {
  const [, left, sign, right] = /^(\d+) ([-+*/]) (\d+)$/.exec(text) ?? [];
  if (left === undefined || right === undefined) return bad("it is not one operation on two numbers");
  const from = newest === undefined ? numbers[0] : lastNumber(newest);
  const pair = [Number(left), Number(right)];
  if (!pair.includes(from!)) return bad(`${from} is not continued from`);
  const operand = pair[0] === from ? pair[1]! : pair[0]!;
  const used = calls.flatMap(({ call }) => call.split(" ").map(Number));
  const clause = numbers.indexOf(operand, 1) - 1;
  if (clause < 0) return bad(`${operand} is not in the question`);
  if (used.includes(operand)) return bad(`${operand} was used before`);
  if (operators[clause] !== sign) return bad(`the question does not say ${sign} ${operand}`);
  return good("it continues from the newest amount");
}

function result(observation: string): string | undefined {
  return / is ([A-Z][a-z]+ [A-Z][a-z]+)\./.exec(observation)?.[1] ?? lastNumber(observation)?.toString();
}

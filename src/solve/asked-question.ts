/** The question of `solve`: plain text is one without accepted answers. */
import { type Question, requireQuestion } from "../trajectory/question.js";

export function askedQuestion(question: string | Question, what: string): Question {
  return typeof question === "string"
    ? { id: "question", question, answers: [] }
    : requireQuestion(question, what);
}

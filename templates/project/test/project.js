import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../judge.js";
import { questions } from "../stock.js";
import { stock } from "../tool.js";

test("the tool finds what every question asks for", () => {
  for (const { name, thing, answers } of questions)
    assert.equal(stock.execute({ query: `${name} ${thing}` }, {}), answers[0]);
  assert.throws(() => stock.execute({ query: "nobody jars" }, {}));
});

test("the judge tells a good step from a bad one", async () => {
  const question = "How many jars has Abor?";
  const call = (input) => ({
    question,
    history: [],
    kind: "call",
    call: { name: "stock", input },
    action: "",
    callsLeft: 1,
  });
  assert.equal((await judge.judge(call("Abor jars"))).good, true);
  assert.equal((await judge.judge(call("Abor cups"))).good, false);
  const history = [{ action: "", observation: "Abor jars -> 17" }];
  const answer = (text) => ({ question, history, kind: "answer", answer: text, action: "", callsLeft: 0 });
  assert.equal((await judge.judge(answer("17"))).good, true);
  assert.equal((await judge.judge(answer("71"))).good, false);
});

// A judge of your own: is this step a good one? It sees the question, the steps before, and the action, never the answer key.
const good = (reason) => ({ status: "ok", good: true, score: 1, votes: 1, reason });
const bad = (reason) => ({ status: "ok", good: false, score: 0, votes: 1, reason });

export const judge = {
  id: "stock/1", // change it when the rules change: verdicts are kept under it
  async judge(step) {
    const [, thing, name] = /How many (\w+) \w+ (\w+)\?/.exec(step.question);
    const seen = step.history.at(-1)?.observation?.split("-> ")[1];
    if (step.kind === "call") {
      if (seen !== undefined) return bad("it asks again");
      return step.call.input.trim() === `${name} ${thing}`
        ? good("it asks for what is wanted")
        : bad("it asks for something else");
    }
    if (step.kind !== "answer") return bad("neither a call nor an answer");
    return seen !== undefined && step.answer.trim() === seen.trim()
      ? good("it says what it was told")
      : bad("it was not told so");
  },
};

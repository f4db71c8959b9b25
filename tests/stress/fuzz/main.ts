/**
 * The fuzzer by hand: `node scripts/run-ts.mjs tests/stress/fuzz/main.ts --parser numbers --count 100000 --seed 1`.
 * Without --parser, `count` inputs are divided among all parsers. `--first I --count 1` repeats one input. Exit status 1
 * when a promise is broken.
 *
 * `--state FILE` keeps how far each parser has come: a run that is stopped, also by `--seconds S` for each parser, is
 * resumed by the same command, until each has read its share of `count`. Run several seeds for several processors.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { fuzz } from "./fuzz.js";
import { parsers } from "./parsers/index.js";

const { values } = parseArgs({
  options: {
    parser: { type: "string" },
    count: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    first: { type: "string", default: "0" },
    seconds: { type: "string", default: "Infinity" },
    state: { type: "string" },
  },
});
const chosen = parsers.filter(({ name }) => values.parser === undefined || name === values.parser);
if (chosen.length === 0) {
  console.error(`no parser ${values.parser}; there are ${parsers.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const shares = chosen.reduce((sum, { share = 1 }) => sum + share, 0);
interface State {
  [parser: string]: { done: number; seconds: number; refused: number };
}
const state = values.state === undefined ? {} : readState(values.state);
let total = 0;
for (const parser of chosen) {
  const count = Math.ceil((Number(values.count) * (parser.share ?? 1)) / shares);
  const before = state[parser.name] ?? { done: 0, seconds: 0, refused: 0 };
  const result = await fuzz(parser, {
    count: count - before.done,
    seed: Number(values.seed),
    first: Number(values.first) + before.done,
    seconds: Number(values.seconds),
  });
  total += result.count;
  if (values.state !== undefined) {
    state[parser.name] = {
      done: before.done + result.count,
      seconds: before.seconds + result.seconds,
      refused: before.refused + result.refused,
    };
    writeFileSync(values.state, JSON.stringify(state, null, 2));
  }
  const rate = Math.round(result.count / result.seconds);
  const refused = Math.round((100 * result.refused) / result.count);
  console.log(
    `${parser.name.padEnd(16)} ${String(result.count).padStart(9)} inputs ${result.seconds.toFixed(1).padStart(7)} s ` +
      `${String(rate).padStart(7)} per second, ${refused} % refused`,
  );
  for (const { problem, index, seed, input } of result.failures) {
    process.exitCode = 1;
    console.log(
      `  ${problem}\n    input ${JSON.stringify(input)}\n    --parser ${parser.name} --seed ${seed} --first ${index} --count 1`,
    );
  }
}
console.log(`${total} inputs`);

function readState(file: string): State {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as State;
  } catch {
    return {};
  }
}

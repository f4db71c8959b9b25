import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseConfig } from "../../../../src/cli/config-schema.js";
import { loadConfig } from "../../../../src/cli/load-config.js";
import { mutateJsonText } from "../mutate.js";
import { type FuzzedParser, must } from "../parser.js";
import { testFile, workFolder } from "./corpus.js";

const SEEDS = [
  JSON.parse(testFile("../examples/gsm8k/config.json")) as object,
  {
    model: "m",
    output: "o",
    judge: { endpoint: { baseURL: "http://host/v1", model: "m" }, votes: 3 },
    rewardJudge: { kind: "rules" },
  },
];
const WORDS = [
  '"model"',
  '"kind"',
  '"judge"',
  "${SWIRL_MODEL}",
  "${X:-y}",
  "${",
  "~",
  "~/x",
  '"__proto__"',
  "1e400",
  "\ufeff",
];
const PATHS = [
  "train.lr",
  "model",
  "__proto__.x",
  "judge.kind",
  "a.constructor.x",
  "questions.train.file",
  "",
  ".",
  "train",
];

/** Flags and file become one config, which is checked whole. */
export const cliConfig: FuzzedParser = {
  name: "cli-config",
  share: 0.1,
  input: (random) =>
    `${random.pick(["none", "none", "none", random.pick(PATHS)])}\n${mutateJsonText(random, SEEDS, WORDS)}`,
  read: async (input) => {
    const cut = input.indexOf("\n");
    const config = join(workFolder("config"), "config.json");
    writeFileSync(config, input.slice(cut + 1), "utf8");
    const overrides =
      input.startsWith("none\n") || cut < 0 ? [] : [{ path: input.slice(0, cut), value: 0.5 }];
    const environment = { SWIRL_MODEL: "/model", SWIRL_DATA: "/data" };
    const parsed = parseConfig(await loadConfig({ config, overrides }, environment));
    must(parsed.seed >= 0 && parsed.threads >= 0, "sizes are not negative");
    return parsed;
  },
};

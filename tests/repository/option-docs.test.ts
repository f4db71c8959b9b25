/**
 * An editor shows help for every option: each exported `…Options` of the folders below is an interface whose
 * properties all have a docstring, and its `@default` tags agree with the schema that checks the option at run time.
 */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { readQuestionsSchema } from "../../src/data/read-questions.js";
import { endpointOptionsSchema } from "../../src/endpoint/endpoint-options.js";
import { fleetSchema } from "../../src/endpoint/fleet-options.js";
import { evaluateSchema } from "../../src/evaluate/evaluate.js";
import { filterSchema } from "../../src/filter/filter-trajectories.js";
import { answerKeyJudgeSchema } from "../../src/judge/answer-key-judge.js";
import { calibrateSchema } from "../../src/judge/calibration.js";
import { journaledJudgeSchema } from "../../src/judge/journaled-judge.js";
import { judgeStepsSchema } from "../../src/judge/judge-steps.js";
import { noisyJudgeSchema } from "../../src/judge/noisy-judge.js";
import { promptedJudgeSchema } from "../../src/judge/prompted-judge.js";
import { ruleJudgeSchema } from "../../src/judge/rule-judge.js";
import { loraSchema } from "../../src/policy/lora/lora-options.js";
import {
  adapterOptionsSchema,
  generateOptionsSchema,
  loadOptionsSchema,
  logprobsOptionsSchema,
  mergeOptionsSchema,
  saveOptionsSchema,
} from "../../src/policy/native-options.js";
import { publishSchema } from "../../src/policy/served/publish-options.js";
import { servedShape } from "../../src/policy/served/served-options.js";
import { solveSchema } from "../../src/solve/solve.js";
import { demonstrateSchema } from "../../src/synthesize/demonstrations.js";
import { rolloutSchema } from "../../src/synthesize/rollout-options.js";
import { synthesizeSchema } from "../../src/synthesize/synthesize.js";
import { embeddingEndpointSchema } from "../../src/tools/search/embedding-endpoint.js";
import { searchSchema } from "../../src/tools/search/search.js";
import { trackingSchema } from "../../src/trackers/tracker.js";
import { sftSchema } from "../../src/train/sft.js";
import { trainSchema } from "../../src/train/train-options.js";

/** Folders of src/ whose options are checked. */
const FOLDERS = [
  "answers",
  "data",
  "endpoint",
  "errors",
  "evaluate",
  "files",
  "filter",
  "judge",
  "policy",
  "report",
  "run-directory",
  "solve",
  "train",
  "statistics",
  "synthesize",
  "tokenizer",
  "tools",
  "trackers",
  "trajectory",
];

/** The schema of each interface that has one. The defaults of other interfaces are not checked. */
const SCHEMAS: Record<string, z.ZodObject> = {
  AnswerKeyJudgeOptions: answerKeyJudgeSchema,
  CalibrateOptions: calibrateSchema,
  DemonstrateOptions: demonstrateSchema,
  EmbeddingEndpointOptions: embeddingEndpointSchema,
  EndpointOptions: endpointOptionsSchema,
  EvaluateOptions: evaluateSchema,
  FilterOptions: filterSchema,
  FleetOptions: fleetSchema,
  GenerateOptions: generateOptionsSchema,
  JournaledJudgeOptions: journaledJudgeSchema,
  JudgeStepsOptions: judgeStepsSchema,
  LoadOptions: loadOptionsSchema,
  LogprobsOptions: logprobsOptionsSchema,
  NoisyJudgeOptions: noisyJudgeSchema,
  PromptedJudgeOptions: promptedJudgeSchema,
  PublishOptions: publishSchema,
  ReadQuestionsOptions: readQuestionsSchema,
  RolloutOptions: rolloutSchema.omit({ temperature: true, seed: true }),
  RuleJudgeOptions: ruleJudgeSchema,
  SaveOptions: saveOptionsSchema,
  AdapterOptions: adapterOptionsSchema,
  LoraOptions: loraSchema,
  MergeOptions: mergeOptionsSchema,
  SearchOptions: searchSchema,
  SftOptions: sftSchema,
  ServedOptions: servedShape,
  SolveOptions: solveSchema,
  SynthesizeOptions: synthesizeSchema,
  TrackingOptions: trackingSchema,
  TrainOptions: trainSchema,
};

interface Property {
  name: string;
  doc: string;
  /** Text of the `@default` tag. */
  default: string | undefined;
}

const src = fileURLToPath(new URL("../../src/", import.meta.url));
const options = exportedOptions();

describe("exported options", () => {
  it("are found, and every schema belongs to one of them", () => {
    expect([...options.keys()]).toEqual(expect.arrayContaining(Object.keys(SCHEMAS)));
  });

  it.each([...options])("%s documents every property", (_, { isInterface, properties }) => {
    expect(isInterface, "write the interface out: an inferred type has no docstrings").toBe(true);
    expect(properties.filter(({ doc }) => doc === "").map(({ name }) => name)).toEqual([]);
  });

  it.each(Object.entries(SCHEMAS))("%s states the defaults of its schema", (name, schema) => {
    const stated = options.get(name)!.properties.map((property) => [property.name, property.default]);
    const actual = Object.entries(schema.shape).map(([key, field]) => [key, defaultOf(field as z.ZodType)]);
    expect(Object.fromEntries(stated)).toEqual(Object.fromEntries(actual));
  });
});

/** The default as JSON; undefined where the option is required or may be absent. */
function defaultOf(field: z.ZodType): string | undefined {
  const parsed = field.safeParse(undefined);
  return parsed.success ? JSON.stringify(parsed.data) : undefined;
}

function exportedOptions(): Map<string, { isInterface: boolean; properties: Property[] }> {
  const entry = `${src}index.ts`;
  const { config } = ts.readConfigFile(`${src}../tsconfig.json`, ts.sys.readFile);
  const { options: compilerOptions } = ts.convertCompilerOptionsFromJson(config.compilerOptions, `${src}..`);
  const program = ts.createProgram([entry], compilerOptions);
  const checker = program.getTypeChecker();
  const found = new Map<string, { isInterface: boolean; properties: Property[] }>();
  for (const exported of checker.getExportsOfModule(
    checker.getSymbolAtLocation(program.getSourceFile(entry)!)!,
  )) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const declaration = symbol.declarations?.[0];
    if (!declaration || !exported.name.endsWith("Options")) continue;
    const folder = relative(src, declaration.getSourceFile().fileName).split(/[\\/]/)[0]!;
    if (!FOLDERS.includes(folder)) continue;
    const properties = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol));
    found.set(exported.name, {
      isInterface: ts.isInterfaceDeclaration(declaration),
      properties: properties.map((property) => ({
        name: property.name,
        doc: ts.displayPartsToString(property.getDocumentationComment(checker)),
        default: defaultTag(property),
      })),
    });
  }
  return found;
}

function defaultTag(property: ts.Symbol): string | undefined {
  const tag = property.getJsDocTags().find(({ name }) => name === "default");
  return tag && ts.displayPartsToString(tag.text).trim();
}

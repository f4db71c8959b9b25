/** The option interfaces and record types, written out by hand, equal what their schemas accept. */
import { expectTypeOf, it } from "vitest";
import type { z } from "zod";
import type { readQuestionsSchema } from "../../src/data/read-questions.js";
import type { evaluateSchema } from "../../src/evaluate/evaluate.js";
import type { evaluationSchema } from "../../src/evaluate/evaluation-record.js";
import type { filterRowSchema, filterTableSchema } from "../../src/filter/filter-table.js";
import type { filterSchema } from "../../src/filter/filter-trajectories.js";
import type {
  ActionFormat,
  DemonstrateOptions,
  EvaluateOptions,
  EvaluationRecord,
  FilterOptions,
  FilterRow,
  FilterTable,
  Manifest,
  ReadQuestionsOptions,
  RolloutOptions,
  SftOptions,
  SolveOptions,
  Step,
  SynthesizeOptions,
  TrainerPolicy,
  TrainOptions,
  Trajectory,
} from "../../src/index.js";
import type { manifestSchema } from "../../src/run-directory/manifest.js";
import type { solveSchema } from "../../src/solve/solve.js";
import type { demonstrateSchema } from "../../src/synthesize/demonstrations.js";
import type { rolloutSchema } from "../../src/synthesize/rollout-options.js";
import type { synthesizeSchema } from "../../src/synthesize/synthesize.js";
import type { sftSchema } from "../../src/train/sft.js";
import type { trainSchema } from "../../src/train/train-options.js";
import type { actionFormatSchema, stepSchema, trajectoryFields } from "../../src/trajectory/trajectory.js";

it("options", () => {
  type Rollout = Omit<z.input<typeof rolloutSchema>, "temperature" | "seed">;
  expectTypeOf<Rollout>().toEqualTypeOf<RolloutOptions>();
  expectTypeOf<z.input<typeof synthesizeSchema>>().toEqualTypeOf<SynthesizeOptions>();
  expectTypeOf<z.input<typeof demonstrateSchema>>().toEqualTypeOf<DemonstrateOptions>();
  expectTypeOf<z.input<typeof solveSchema>>().toEqualTypeOf<SolveOptions>();
  expectTypeOf<z.input<typeof evaluateSchema>>().toEqualTypeOf<EvaluateOptions>();
  expectTypeOf<z.input<typeof filterSchema>>().toEqualTypeOf<FilterOptions>();
  expectTypeOf<z.input<typeof readQuestionsSchema>>().toEqualTypeOf<ReadQuestionsOptions>();
  expectTypeOf<z.input<typeof trainSchema>>().toExtend<TrainOptions<TrainerPolicy>>();
  expectTypeOf<TrainOptions<TrainerPolicy>>().toExtend<z.input<typeof trainSchema>>();
  expectTypeOf<keyof TrainOptions>().toEqualTypeOf<keyof z.input<typeof trainSchema>>();
  expectTypeOf<z.input<typeof sftSchema>>().toExtend<SftOptions<TrainerPolicy>>();
  expectTypeOf<SftOptions<TrainerPolicy>>().toExtend<z.input<typeof sftSchema>>();
  expectTypeOf<keyof SftOptions>().toEqualTypeOf<keyof z.input<typeof sftSchema>>();
  // toEqualTypeOf does not tell `key?: T` from `key?: T | undefined`.
  expectTypeOf<
    [
      Rollout,
      z.input<typeof synthesizeSchema>,
      z.input<typeof demonstrateSchema>,
      z.input<typeof solveSchema>,
      z.input<typeof evaluateSchema>,
      z.input<typeof filterSchema>,
      z.input<typeof readQuestionsSchema>,
    ]
  >().toExtend<
    [
      RolloutOptions,
      SynthesizeOptions,
      DemonstrateOptions,
      SolveOptions,
      EvaluateOptions,
      FilterOptions,
      ReadQuestionsOptions,
    ]
  >();
});

it("records", () => {
  expectTypeOf<z.output<typeof actionFormatSchema>>().toEqualTypeOf<ActionFormat>();
  expectTypeOf<z.output<typeof stepSchema>>().toEqualTypeOf<Step>();
  expectTypeOf<z.output<typeof trajectoryFields>>().toEqualTypeOf<Trajectory>();
  expectTypeOf<z.output<typeof evaluationSchema>>().toEqualTypeOf<EvaluationRecord>();
  expectTypeOf<z.output<typeof filterRowSchema>>().toEqualTypeOf<FilterRow>();
  expectTypeOf<z.output<typeof filterTableSchema>>().toEqualTypeOf<FilterTable>();
  expectTypeOf<z.output<typeof manifestSchema>>().toEqualTypeOf<Manifest>();
  // toEqualTypeOf does not tell `key?: T` from `key?: T | undefined`.
  expectTypeOf<
    [
      z.output<typeof actionFormatSchema>,
      z.output<typeof stepSchema>,
      z.output<typeof trajectoryFields>,
      z.output<typeof evaluationSchema>,
      z.output<typeof filterRowSchema>,
      z.output<typeof filterTableSchema>,
      z.output<typeof manifestSchema>,
    ]
  >().toExtend<[ActionFormat, Step, Trajectory, EvaluationRecord, FilterRow, FilterTable, Manifest]>();
});

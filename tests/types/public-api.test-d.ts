/** What a caller's compiler sees: the fixed names, their parameters and their results. */
import { describe, expectTypeOf, it } from "vitest";
import { z } from "zod";
import {
  type Completion,
  decompose,
  type ErrorCode,
  evaluate,
  filterTrajectories,
  type LossFunction,
  type LossName,
  type NativePolicy,
  Policy,
  SwirlError,
  sft,
  solve,
  synthesize,
  type Trajectory,
  tool,
  train,
  type UpdateMetrics,
} from "../../src/index.js";

describe("Policy", () => {
  it("loads the native model, whose numbers are typed arrays", () => {
    expectTypeOf(Policy.load).parameter(0).toBeString();
    expectTypeOf(Policy.load).returns.resolves.toEqualTypeOf<NativePolicy>();
    expectTypeOf<NativePolicy["logprobs"]>().returns.resolves.toEqualTypeOf<Float32Array[]>();
    expectTypeOf<NativePolicy["update"]>().returns.resolves.toEqualTypeOf<UpdateMetrics>();
    expectTypeOf<NativePolicy["generate"]>().returns.resolves.toEqualTypeOf<Completion[][]>();
    expectTypeOf<NativePolicy>().toExtend<Policy>();
    expectTypeOf<NativePolicy>().toExtend<AsyncDisposable>();
  });

  it("takes plain arrays and typed arrays alike", () => {
    type Step = Parameters<NativePolicy["logprobs"]>[0][number];
    expectTypeOf<{ tokens: number[]; actionStart: number }>().toExtend<Step>();
    expectTypeOf<{ tokens: Int32Array; actionStart: number }>().toExtend<Step>();
    expectTypeOf<{ tokens: string[]; actionStart: number }>().not.toExtend<Step>();
    expectTypeOf<{ tokens: number[] }>().not.toExtend<Step>();
  });

  it("knows its options and no others", () => {
    type Options = NonNullable<Parameters<typeof Policy.load>[1]>;
    expectTypeOf<Options["dtype"]>().toEqualTypeOf<"float32" | "bfloat16" | undefined>();
    // @ts-expect-error there is no such device option
    expectTypeOf<Options["gpu"]>().toBeAny();
    type Update = NonNullable<Parameters<NativePolicy["update"]>[1]>;
    expectTypeOf<Update["loss"]>().toEqualTypeOf<LossName | LossFunction | undefined>();
    expectTypeOf<Update["aggregation"]>().toEqualTypeOf<
      "sequence-sum" | "sequence-mean" | "token-mean" | "fixed-length" | undefined
    >();
  });
});

describe("tool", () => {
  it("gives execute the type of its schema", () => {
    tool({
      name: "add",
      description: "a + b",
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      execute: (input) => {
        expectTypeOf(input).toEqualTypeOf<{ a: number; b: number }>();
        return String(input.a + input.b);
      },
    });
  });
});

describe("stages", () => {
  it("are functions of these names", () => {
    for (const stage of [synthesize, filterTrajectories, decompose, train, sft, solve, evaluate])
      expectTypeOf(stage).toBeFunction();
  });

  it("say how a trajectory ended", () => {
    expectTypeOf<Trajectory["end"]>().toExtend<string>();
    expectTypeOf<"answer">().toExtend<Trajectory["end"]>();
    expectTypeOf<"done">().not.toExtend<Trajectory["end"]>();
  });
});

describe("SwirlError", () => {
  it("is narrowed by isInstance, to a closed set of codes", () => {
    const thrown: unknown = undefined;
    if (SwirlError.isInstance(thrown)) expectTypeOf(thrown.code).toEqualTypeOf<ErrorCode>();
    expectTypeOf<"MEMORY">().toExtend<ErrorCode>();
    expectTypeOf<"OTHER">().not.toExtend<ErrorCode>();
  });
});

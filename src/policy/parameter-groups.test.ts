import { describe, expect, it } from "vitest";
import { parseOptions } from "../options/parse-options.js";
import { optimizerSchema } from "./native-options.js";
import { gradientNorms, resolveGroups } from "./parameter-groups.js";
import type { OptimizerOptions } from "./training-options.js";

const parameters = [
  { name: "model.embed_tokens.weight", shape: [10, 4] },
  { name: "model.layers.0.mlp.down_proj.weight", shape: [4, 8] },
  { name: "model.layers.0.self_attn.q_proj.bias", shape: [4] },
  { name: "model.layers.1.mlp.down_proj.weight", shape: [4, 8] },
  { name: "model.layers.1.input_layernorm.weight", shape: [4] },
];

const resolve = (options: OptimizerOptions) =>
  resolveGroups(parseOptions(optimizerSchema, options, "optimStep"), parameters, "");

/** What each parameter is trained with. */
function settings(options: OptimizerOptions) {
  const { native, names } = resolve(options);
  const all = [{ lr: native.lr, weightDecay: native.weightDecay, frozen: false }, ...(native.groups ?? [])];
  return parameters.map((_, i) => {
    const group = native.groupOf?.[i] ?? 0;
    return { ...all[group], name: names[group] };
  });
}

describe("groups", () => {
  it("are none where nothing asks for one", () => {
    expect(resolve({ lr: 1e-4, weightDecay: 0.1 }).native).not.toHaveProperty("groups");
    expect(resolve({ decay: "matrices" }).native).not.toHaveProperty("groups"); // no decay anywhere
  });

  it('decay: "matrices" is no decay for norms and biases', () => {
    expect(settings({ weightDecay: 0.1, decay: "matrices" }).map((s) => s.weightDecay)).toEqual([
      0.1, 0.1, 0, 0.1, 0,
    ]);
    const named = settings({
      weightDecay: 0.1,
      decay: "matrices",
      groups: [{ match: "*layers.1*", weightDecay: 0.3, name: "top" }],
    });
    expect(named.map((s) => s.weightDecay)).toEqual([0.1, 0.1, 0, 0.3, 0.3]);
    expect(named.map((s) => s.name)).toEqual(["default", "default", "default", "top", "top"]);
  });

  it("the first that matches has a parameter; frozen ones come first", () => {
    const found = settings({
      lr: 1e-4,
      freeze: ["*embed*"],
      groups: [
        { match: ["*norm*", "*.bias"], lrScale: 10 },
        { match: "model.*", lr: 5e-5 },
      ],
    });
    expect(found.map(({ lr, frozen }) => (frozen ? "frozen" : lr))).toEqual([
      "frozen",
      5e-5,
      1e-3,
      5e-5,
      1e-3,
    ]);
  });

  it("adds the norms of a group's parts, and leaves frozen ones out", () => {
    expect(gradientNorms(["default", undefined, "default", "top"], Float64Array.of(3, 9, 4, 2))).toEqual({
      default: 5,
      top: 2,
    });
  });

  const refused: [string, OptimizerOptions, string, RegExp][] = [
    [
      "a pattern that matches nothing",
      { freeze: ["*embed*", "layers.0"] },
      "freeze[1]",
      /"layers\.0" matches no/,
    ],
    [
      "a special character that is only itself",
      { freeze: ["model.embed_token?.weight"] },
      "freeze[0]",
      /matches no/,
    ],
    [
      "one of several that matches nothing",
      { groups: [{ match: ["*norm*", "*lora*"], lr: 0 }] },
      "groups[0].match",
      /"\*lora\*"/,
    ],
    [
      "a group that an earlier one leaves nothing to",
      { groups: [{ match: "*" }, { match: "*norm*" }] },
      "groups[1].match",
      /earlier group/,
    ],
    ["everything frozen", { freeze: ["*"] }, "freeze", /every parameter is frozen/],
    ["two learning rates", { groups: [{ match: "*", lr: 1e-3, lrScale: 2 }] }, "groups.0.lrScale", /lrScale/],
  ];
  it.each(refused)("refuses %s", (_, options, field, message) => {
    expect(() => resolve(options)).toThrow(
      expect.objectContaining({ code: "CONFIG", details: expect.objectContaining({ field }) }),
    );
    expect(() => resolve(options)).toThrow(message);
  });
});

/** The names of shapes, and the trees they make. */
import { describe, expect, it } from "vitest";
import { seeded } from "../../bench/seeded.js";
import { makeTree, parseShape, shapeName } from "../../bench/shape.js";

describe("names", () => {
  it("say what differs from the defaults", () => {
    const shape = parseShape("smollm2/K8G8N1P512");
    expect(shape).toEqual({ model: "smollm2", K: 8, G: 8, N: 1, P: 512, a: 48, o: 32, Q: 1 });
    expect(parseShape("qwen2.5-1.5b/K1G2N3P4a5o6Q7")).toMatchObject({
      model: "qwen2.5-1.5b",
      a: 5,
      o: 6,
      Q: 7,
    });
    for (const name of ["smollm2/K8G8N1P512", "qwen2.5/K8G8N4P1024a128o512", "tiny/K1G1N1P5a3o2Q2"])
      expect(shapeName(parseShape(name))).toBe(name);
  });

  it.each(["smollm2", "smollm3/K8G8N1P512", "smollm2/K8G8N1", "smollm2/K0G8N1P512", "smollm2/K8G8N1P512x3"])(
    "%s is none",
    (name) => {
      expect(() => parseShape(name)).toThrowError(`shape ${JSON.stringify(name)}: write MODEL/KkGgNnPp`);
    },
  );
});

describe("trees", () => {
  const shape = parseShape("tiny/K3G2N2P6a3o2");

  it("are the same for a seed, others for another", () => {
    expect(makeTree(shape, 500)).toEqual(makeTree(shape, 500));
    expect(makeTree(shape, 500, 2)).not.toEqual(makeTree(shape, 500));
  });

  it("hold tokens of the vocabulary, special ones left out, and advantages of both signs", () => {
    const { sequences } = makeTree(shape, 40);
    for (const token of sequences.flatMap(({ tokens }) => [...tokens])) {
      expect(token).toBeGreaterThanOrEqual(3);
      expect(token).toBeLessThan(40);
    }
    const signs = new Set(sequences.map(({ advantage }) => Math.sign(advantage)));
    expect(signs).toEqual(new Set([1, -1]));
  });

  it("ask for actions at the states their sequences begin with", () => {
    const { sequences, states } = makeTree(shape, 500);
    for (const [i, { tokens, actionStart }] of sequences.entries())
      expect([...tokens.subarray(0, actionStart)]).toEqual([...states[Math.floor(i / shape.G)]!]);
  });
});

it("random numbers are spread over [0, 1)", () => {
  const random = seeded(3);
  const numbers = Array.from({ length: 10_000 }, random);
  for (let tenth = 0; tenth < 10; tenth++) {
    const share = numbers.filter((x) => Math.floor(10 * x) === tenth).length / numbers.length;
    expect(Math.abs(share - 0.1)).toBeLessThan(0.02);
  }
});

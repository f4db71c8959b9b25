/** Demonstrations keep within the context of the policy that will learn from them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { NativePolicy } from "../index.js";
import { demonstratingPolicy } from "./demonstrating-policy.js";
import { CONTEXT_LENGTH, writePolicyFolder } from "./policy-folder.js";
import { DEMO_SETTINGS } from "./settings.js";
import { createWorld } from "./world.js";

let folder: string;
let model: NativePolicy;
const [question] = createWorld(3, { ...DEMO_SETTINGS.world, demonstrations: 1 }).demonstrations;

beforeAll(async () => {
  folder = temporaryFolder();
  await writePolicyFolder(folder, 0);
  model = await NativePolicy.load(folder, { device: "cpu", threads: 1 });
});
afterAll(async () => {
  await model.dispose();
});

describe("demonstratingPolicy", () => {
  it("writes an action that fills the context to its end, and refuses one that is longer", async () => {
    const demonstrator = demonstratingPolicy(model, [question!], { thinks: true });
    const context = demonstrator.begin([{ role: "user", content: question!.question }]);
    const [action] = await demonstrator.act(context, { seed: 1 });
    const length = action!.tokens!.length;
    const filled = (tokens: number) => ({ ...context, tokens: new Int32Array(tokens) });
    const [same] = await demonstrator.act(filled(CONTEXT_LENGTH - length), { seed: 1 });
    expect(same!.text).toBe(action!.text);
    await expect(demonstrator.act(filled(CONTEXT_LENGTH - length + 1), { seed: 1 })).rejects.toMatchObject({
      code: "INPUT",
      message: expect.stringContaining("256 tokens"),
    });
  });
});

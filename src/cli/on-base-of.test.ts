import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { writeTinyModel } from "../../tests/support/tiny-world.js";
import { NativePolicy } from "../policy/native-policy.js";
import { onBaseOf } from "./on-base-of.js";
import type { Session } from "./session.js";

let dir: string;
let policy: NativePolicy;
const session = { config: {} } as Session;
const folder = (name: string) => join(dir, name);

beforeAll(async () => {
  dir = temporaryFolder();
  await writeTinyModel(folder("base"), { context: 256 });
  await cp(folder("base"), folder("other"), { recursive: true });
  policy = await NativePolicy.load(folder("base"), { device: "cpu", threads: 1, lora: { rank: 2 } });
  await policy.save(folder("adapter"));
});
afterAll(async () => {
  await policy?.dispose();
});

const beside = () => ({ policy, folder: folder("adapter") });

it("the base is the open policy's own, which nobody disposes", async () => {
  const before = policy.memory().bytes;
  const found = await onBaseOf(session, beside(), folder("base"), "judge");
  expect(found).toEqual({ policy: policy.base, owned: false });
  expect(policy.memory().bytes).toBe(before);
});

it("another adapter on the base is a policy of its own without a copy of the base", async () => {
  const found = await onBaseOf(session, beside(), folder("adapter"), "judge");
  expect(found?.owned).toBe(true);
  expect(found?.policy.adapterName).toBe("judge");
  const [own] = await found!.policy.logprobs([{ tokens: [1, 2, 3], actionStart: 1 }]);
  const [same] = await policy.logprobs([{ tokens: [1, 2, 3], actionStart: 1 }]);
  expect(own).toEqual(same);
  await found!.policy.dispose();
});

it("another base, and a policy that trains all weights, share nothing", async () => {
  expect(await onBaseOf(session, beside(), folder("other"), "judge")).toBeUndefined();
  await using full = await NativePolicy.load(folder("base"), { device: "cpu", threads: 1 });
  expect(
    await onBaseOf(session, { policy: full, folder: folder("base") }, folder("base"), "judge"),
  ).toBeUndefined();
  await rm(folder("other"), { recursive: true });
});

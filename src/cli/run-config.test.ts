import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { changedKeys } from "../run-directory/run-directory.js";
import { parseConfig } from "./config-schema.js";
import { completeConfig } from "./run-config.js";

const written = (config: object) => {
  const { output: _, ...rest } = parseConfig(config as Record<string, unknown>);
  return JSON.parse(JSON.stringify(rest)) as Record<string, Record<string, unknown>>;
};

it("a config that an earlier version resolved lacks keys without having changed them", () => {
  const now = written({ model: "m", train: { lr: 1e-3 } });
  const before = structuredClone(now);
  delete before.profile;
  delete before.train!.scaleRewards;
  delete before.train!.maxSkippedUpdates;
  delete before.filter;
  expect(changedKeys(before, now)).not.toEqual([]);
  expect(changedKeys(completeConfig(before), now)).toEqual([]);
  const other = written({ model: "m", train: { lr: 1e-3, scaleRewards: "group" } });
  expect(changedKeys(completeConfig(before), other)).toEqual(["train.scaleRewards"]);
});

it("a config that this version cannot read is compared as it is", () => {
  expect(completeConfig({ model: 5, gone: 1 })).toEqual({ model: 5, gone: 1 });
});

it("the run of 0.1.0 names no changed key", async () => {
  const file = new URL("../../tests/corpus/0.1.0/run/config.resolved.json", import.meta.url);
  const old = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  expect(changedKeys(completeConfig(old), written(old))).toEqual([]);
});

import { expect, it } from "vitest";
import { table } from "./table.js";

it("aligns columns, numbers to the right", () => {
  expect(
    table(
      ["name", "%"],
      [
        ["a", "9.5"],
        ["long one", "10.0"],
      ],
    ),
  ).toBe(["name         %", "────────  ────", "a          9.5", "long one  10.0"].join("\n"));
});

import { describe, expect, it } from "vitest";
import type { Cell } from "./cell.js";
import { cellKeys } from "./cell-key.js";
import { miniatureCells } from "./miniature/arms.js";
import { MINIATURE } from "./miniature/settings.js";

const cells = miniatureCells(3, MINIATURE);
const keys = cellKeys(cells, { world: 1 });

describe("cellKeys", () => {
  it("gives every cell of the study a key of its own", () => {
    expect(keys.size).toBe(cells.length);
    expect(new Set(keys.values()).size).toBe(cells.length);
  });

  it("changes what depends on a setting, and nothing else", () => {
    const other = cellKeys(miniatureCells(3, { ...MINIATURE, sft: { ...MINIATURE.sft, lr: 1e-4 } }), {
      world: 1,
    });
    const changed = cells.map(({ id }) => id).filter((id) => other.get(id) !== keys.get(id));
    expect(changed.every((id) => /^(measure )?(sft\/|swirl\/after SFT)/.test(id))).toBe(true);
    expect(changed).toContain("measure sft/both on search");
    expect(changed).toContain("measure swirl/after SFT on search");
    expect(changed.some((id) => id.includes("longer"))).toBe(false);
  });

  it("changes with the seed and with what the testbed is made of", () => {
    for (const other of [cellKeys(miniatureCells(4, MINIATURE), { world: 1 }), cellKeys(cells, { world: 2 })])
      for (const [id, key] of keys) expect(other.get(id)).not.toBe(key);
  });

  it("does not depend on names or on the order of fields", () => {
    const [first] = cells;
    const renamed = {
      ...first!,
      id: "another name",
      work: Object.fromEntries(Object.entries(first!.work).reverse()),
    };
    expect(cellKeys([renamed as Cell], { world: 1 }).get("another name")).toBe(keys.get(first!.id));
  });

  it("refuses ids that are missing, twice there or in a circle", () => {
    const [base] = cells;
    const pool = cells.find(({ id }) => id === "pool")!;
    expect(() => cellKeys([base!, base!], 0)).toThrow(/same id/);
    expect(() => cellKeys([pool], 0)).toThrow(/pool builds on base, which is not there/);
    const circle = { ...pool, id: "base" };
    expect(() => cellKeys([circle], 0)).toThrow(/base → base is a circle/);
  });
});

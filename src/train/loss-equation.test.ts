import { expect, it } from "vitest";
import { lossEquation } from "./loss-equation.js";

const base = {
  actions: "fresh",
  samplesPerState: 4,
  updatesPerBatch: 2,
  maxNewTokens: 64,
  klEstimator: "k3",
  baselineDecay: 0.9,
} as const;

it("fills in every number, and explains each symbol", () => {
  expect(lossEquation({ ...base, loss: "reinforce", klWeight: 0.05 })).toEqual([
    "loss (reinforce) = 1/N Σᵢ Σₜ [ -A·log π + 0.05·k3(π, π_ref) ]",
    "A = R - mean of the state's other R",
  ]);
  expect(lossEquation({ ...base, loss: "dr_grpo", clipHigh: 0.3, entropyWeight: 0.01 })).toEqual([
    "loss (dr_grpo) = 1/(N·L) Σᵢ Σₜ [ -min(r·A, clip(r, 1 - 0.2, 1 + 0.3)·A) - 0.01·entropy ]",
    "A = R - mean of the state's R",
    "L = 64",
    "r = π / π_old",
  ]);
  const text = lossEquation({ ...base, loss: "sapo", tauNegative: 2, klWeight: 0.1, klIn: "reward" }).join(
    "\n",
  );
  expect(text).toContain("τ = 1 where A > 0, else 2");
  expect(text).toContain(
    "A = (R - mean of the state's R) / (deviation of the state's R + 1e-4), R = reward - Σₜ 0.1·k3(π, π_ref)",
  );
});

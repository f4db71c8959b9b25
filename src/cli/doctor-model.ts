/** `swirl doctor --model DIR`: what training and sampling with a model would take, and on which device here it fits. */
import type { DeviceInfo } from "../native/addon.js";
import { parseOptions } from "../options/parse-options.js";
import { readModelConfig } from "../policy/checkpoint/model-config.js";
import { type LoraSettings, loraSchema } from "../policy/lora/lora-options.js";
import { resolveWeights } from "../policy/lora/resolve-weights.js";
import { gibibytes, type MemoryRow, type MemoryShape, memoryRows } from "../policy/memory-report.js";
import { table } from "./table.js";

/** Eight states of 512 tokens with eight actions of 64 tokens each, and a cache for all of them. */
const SHAPE: MemoryShape = { tokens: 8 * 512 + 64 * 64, labels: 64 * 64, cached: 8 * 512 + 64 * 64 };

export interface ModelReport {
  model: string;
  shape: MemoryShape;
  lora: LoraSettings;
  rows: (MemoryRow & { fits: Record<string, "yes" | "with recomputation" | "no"> })[];
}

export async function doctorModel(
  folder: string,
  given: unknown,
  devices: readonly DeviceInfo[],
  base?: string,
): Promise<ModelReport> {
  const { model } = await resolveWeights(folder, base === undefined ? {} : { base });
  const { model: config } = await readModelConfig(model);
  const lora = parseOptions(loraSchema, given, "lora");
  const rows = memoryRows(config, lora, SHAPE).map((row) => ({
    ...row,
    fits: Object.fromEntries(
      devices.map(({ name, memoryBytes }) => {
        const usable = 0.8 * memoryBytes; // what an engine takes by default, of memory that nothing else uses
        return [
          name,
          row.total <= usable ? "yes" : row.leastTotal <= usable ? "with recomputation" : "no",
        ] as const;
      }),
    ),
  }));
  return { model, shape: SHAPE, lora, rows };
}

export function formatModel({ model, shape, lora, rows }: ModelReport): string {
  const names = Object.keys(rows[0]!.fits);
  const cells = rows.map((row) => [
    row.training === "adapter" ? `adapter, rank ${lora.rank}` : row.training,
    row.dtype,
    `${(row.trained / 1e6).toPrecision(3)}M`,
    ...[row.weights, row.state, row.activations, row.leastActivations, row.cache, row.total].map(gibibytes),
    ...names.map((name) => row.fits[name]!),
  ]);
  const head = [
    "training",
    "dtype",
    "trained",
    "weights",
    "state",
    "activations",
    "least",
    "KV cache",
    "all",
  ];
  return [
    `memory of ${model}`,
    `an update of ${shape.tokens} tree tokens (${shape.labels} scored), a KV cache of ${shape.cached} tokens; least: activations where the backward computes layers again`,
    table([...head, ...names.map((name) => `fits ${name}`)], cells),
    "a device is counted with 80 % of its memory",
  ].join("\n");
}

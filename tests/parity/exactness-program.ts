/** Prints the exactness of models × types × threads as JSON: `exactness-program.ts MODEL …`. A process of its own, because the instruction set is chosen once per process. */
import { exactness } from "./exactness.js";

const found: Record<string, unknown> = {};
for (const model of process.argv.slice(2)) {
  for (const dtype of ["float32", "bfloat16"] as const) {
    for (const threads of [1, 2]) {
      const { differing, ...rest } = await exactness(model, dtype, threads);
      found[`${model} ${dtype} ${threads}`] = { ...rest, differing: differing.slice(0, 10) };
    }
  }
}
process.stdout.write(JSON.stringify(found));

/** The machine a report was made on, in a line. */
import { availableParallelism, cpus, totalmem } from "node:os";
import { devices } from "swirl-rl";

export function machine(): string {
  const cpu = devices().available[0]!;
  const memory = Math.round(totalmem() / 2 ** 30);
  return (
    `${cpus()[0]!.model.trim()}, ${availableParallelism()} cores, ${memory} GiB; ` +
    `matrix products by ${cpu.matrixLibrary} (${cpu.isa.join(", ")}); Node ${process.version}`
  );
}

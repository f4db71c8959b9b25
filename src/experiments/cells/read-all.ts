import { readTrajectories } from "../../trajectory/store.js";
import type { Trajectory } from "../../trajectory/trajectory.js";

export async function readAll(file: string): Promise<Trajectory[]> {
  const all: Trajectory[] = [];
  for await (const trajectory of readTrajectories(file)) all.push(trajectory);
  return all;
}

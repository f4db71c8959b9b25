import { readTrajectories, type Trajectory } from "swirl-rl";

export async function readAll(file: string): Promise<Trajectory[]> {
  const all: Trajectory[] = [];
  for await (const trajectory of readTrajectories(file)) all.push(trajectory);
  return all;
}

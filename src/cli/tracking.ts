/** The trackers of a stage that writes into a run directory. */
import type { TrackerName, TrackingOptions } from "../trackers/tracker.js";
import { required, type Session } from "./session.js";

/** `run`: the name of this stage among the runs of the directory. */
export function trackingOf(
  { config }: Session,
  run: string,
): { trackers?: TrackerName[]; tracking?: TrackingOptions } {
  const { trackers, tracking, output: _, ...rest } = config;
  if (trackers.length === 0) return {};
  return {
    trackers,
    tracking: { ...tracking, folder: required(config, "output"), run, config: rest },
  };
}

import { SwirlError } from "../errors/swirl-error.js";

/** @throws SwirlError CONFIG for a tracker that writes files without a folder for them. */
export function requireFolder(tracker: string, folder: string | undefined): void {
  if (folder !== undefined) return;
  throw new SwirlError("CONFIG", `trackers: "${tracker}" writes files, and there is no folder for them`, {
    remedy: 'give tracking: { folder: "runs/first" }',
    details: { field: "tracking.folder" },
  });
}

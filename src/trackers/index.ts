/** Trackers: TensorBoard, MLflow, Weights & Biases, Trackio, JSON lines, or one of your own. */
export { jsonlTracker } from "./jsonl-tracker.js";
export { type MlflowTrackerOptions, mlflowTracker } from "./mlflow-tracker.js";
export { type PythonTrackerOptions, trackioTracker, wandbTracker } from "./python-tracker.js";
export { type TensorboardTrackerOptions, tensorboardTracker } from "./tensorboard-tracker.js";
export type {
  TrackedCell,
  TrackedEnd,
  TrackedMetrics,
  TrackedRun,
  TrackedTable,
  Tracker,
  TrackerCall,
  TrackerName,
  TrackingOptions,
} from "./tracker.js";

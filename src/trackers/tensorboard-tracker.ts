/**
 * Writes TensorBoard event files: `FOLDER/tensorboard/RUN/events.out.tfevents.SECONDS.HOST.PID.N`, one per session.
 * Every update is written before the next one; TensorBoard skips a last record that a kill truncated. A write that
 * fails halfway would damage the records after it, so the next write starts a new file.
 */
import { type FileHandle, open } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { makeFolder } from "../files/make-folder.js";
import { type EventContent, eventRecord } from "./event-record.js";
import { requireFolder } from "./require-folder.js";
import type { Tracker } from "./tracker.js";

let files = 0;

/** Options of {@link tensorboardTracker}. */
export interface TensorboardTrackerOptions {
  /**
   * Folder of event files, one sub-folder per run: `tensorboard --logdir FOLDER`. `tracking.folder`/tensorboard unless
   * given.
   */
  folder?: string | undefined;
}

/** A tracker that writes event files for TensorBoard. */
export function tensorboardTracker(options: TensorboardTrackerOptions = {}): Tracker {
  let folder = "";
  let file: FileHandle | undefined;
  const write = async (events: [seconds: number, step: number, content: EventContent][]) => {
    try {
      if (!file) {
        const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, "0");
        const name = `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${files++}`;
        file = await open(join(folder, name), "ax");
        await file.appendFile(eventRecord(Date.now() / 1000, 0, { fileVersion: "brain.Event:2" }));
      }
      await file.appendFile(Buffer.concat(events.map((event) => eventRecord(...event))));
    } catch (error) {
      const broken = file;
      file = undefined;
      await broken?.close().catch(() => {});
      throw error;
    }
  };
  return {
    name: "tensorboard",
    check: (run) => requireFolder("tensorboard", options.folder ?? run.folder),
    begin: async (run) => {
      folder = join(options.folder ?? join(run.folder!, "tensorboard"), run.run);
      await makeFolder(folder);
      const now = Date.now() / 1000;
      const config = Object.entries(run.config).map(([key, value]) => [
        plain(key),
        plain(JSON.stringify(value) ?? ""),
      ]);
      await write([
        ...(run.resumedFrom > 0
          ? [[now, run.resumedFrom + 1, { purge: true }] as [number, number, EventContent]]
          : []),
        ...(config.length === 0
          ? []
          : [[now, 0, { text: { tag: "config", rows: config } }] as [number, number, EventContent]]),
      ]);
    },
    log: (entries) =>
      write(entries.map(({ step, time, metrics }) => [time / 1000, step, { scalars: metrics }])),
    table: ({ name, step, time, columns, rows }) =>
      write([
        [time / 1000, step, { text: { tag: name, rows: [columns, ...rows].map((row) => row.map(plain)) } }],
      ]),
    finish: async () => {
      await file?.sync();
      await file?.close();
      file = undefined;
    },
  };
}

/** The text plugin reads Markdown; a code block shows a model's text unchanged. */
function plain(cell: unknown): string {
  const text = typeof cell === "string" ? cell : String(cell ?? "");
  return text
    .replace(/[\\`*_{}[\]()#+\-.!|~]/g, "\\$&")
    .replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)
    .replace(/\r?\n/g, "<br>");
}

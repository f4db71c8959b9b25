/** The peers: how each is started, and which rows it runs in which micro-batches. */
import { join } from "node:path";
import { PeerProcess } from "../peer-process.js";
import { mergedRows, plainRows, type Row, shuffled } from "../rows.js";
import type { Sequence } from "../shape.js";
import { treeRows } from "../tree-rows.js";

export const peerNames = [
  "hf-padded",
  "hf-padded-action-logits",
  "hf-tuned",
  "flex",
  "no-sharing",
  "trl",
] as const;
export type PeerName = (typeof peerNames)[number];

export type DeviceKind = "cpu" | "cuda";

/** "cuda:1" is a cuda device. */
export function deviceKind(device: string): DeviceKind {
  return device === "cpu" ? "cpu" : "cuda";
}

export interface Peer {
  title: string;
  /** Absent for no-sharing, which is our own process. */
  script?: string;
  /** The script's, by where it computes. */
  options?: Record<DeviceKind, object>;
  environment?: Record<string, string>;
  /** Rows are padded to the longest of the batch. */
  padded: boolean;
  batches(sequences: Sequence[], on: DeviceKind): Row[][];
}

/** Rows at a time. */
const b1Rows = 4;
const trlRows = 8; // its default
/** Tokens at a time: beyond this torch's kernels gain nothing; on the CPU kept probabilities grow with rows · length². */
const b2Tokens: Record<DeviceKind, number> = { cpu: 2048, cuda: 16384 };
/** Of a packed tree: a 0.5B model keeps about a megabyte of activations a token, 17 GB in all. */
const flexTokens = 16384;

export const peers: Record<PeerName, Peer> = {
  "hf-padded": {
    title: "hf-padded: Hugging Face + PyTorch, a padded row per sub-trajectory",
    script: "hf_padded.py",
    options: { cpu: { logits: "all" }, cuda: { logits: "all" } },
    padded: true,
    batches: (sequences) => chunks(shuffled(plainRows(sequences)), b1Rows),
  },
  "hf-padded-action-logits": {
    title: "hf-padded with logits from the first action on",
    script: "hf_padded.py",
    options: { cpu: { logits: "action" }, cuda: { logits: "action" } },
    padded: true,
    batches: (sequences) => chunks(shuffled(plainRows(sequences)), b1Rows),
  },
  "hf-tuned": {
    title: "hf-tuned: PyTorch tuned by hand, without a tree",
    script: "hf_tuned.py",
    options: {
      cpu: { chunkRows: 1024, compile: true, attention: "eager" },
      cuda: { chunkRows: 4096, compile: true, attention: "sdpa" },
    },
    // glibc keeps what torch frees: no page is faulted in twice.
    environment: {
      MALLOC_MMAP_MAX_: "0",
      MALLOC_TRIM_THRESHOLD_: "100000000000",
      MALLOC_TOP_PAD_: "268435456",
    },
    padded: false,
    batches: (sequences, on) => ofOneLength(mergedRows(sequences), b2Tokens[on]),
  },
  flex: {
    title: "FlexAttention: hf-tuned with the tree as a mask over one packed row",
    script: "flex.py",
    options: { cpu: { chunkRows: 1024, compile: false }, cuda: { chunkRows: 4096, compile: true } },
    padded: false,
    batches: (sequences) => treeRows(sequences, flexTokens).map((row) => [row]),
  },
  "no-sharing": {
    title: "no-sharing: our engine, every sub-trajectory alone",
    padded: false,
    batches: (sequences) => ofOneLength(plainRows(sequences), 1),
  },
  trl: {
    title: "TRL's GRPOTrainer with its defaults",
    script: "trl_grpo.py",
    options: { cpu: { microBatch: trlRows }, cuda: { microBatch: trlRows } },
    padded: true,
    batches: (sequences) => chunks(shuffled(plainRows(sequences)), trlRows),
  },
};

export function startPeer(name: PeerName, python: string): PeerProcess {
  const { script, environment } = peers[name];
  if (!script) throw new Error(`${name} has no process of its own`);
  return new PeerProcess(name, python, [join(import.meta.dirname, "python", script)], environment);
}

export function startOurs(): PeerProcess {
  const scripts = join(import.meta.dirname, "../../scripts/run-ts.mjs");
  return new PeerProcess("ours", process.execPath, [scripts, join(import.meta.dirname, "ours.ts")]);
}

function chunks<T>(items: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

/** Micro-batches of rows of one length, of about so many tokens; in order of length. */
function ofOneLength(rows: Row[], tokens: number): Row[][] {
  const byLength = new Map<number, Row[]>();
  for (const row of rows) {
    const length = row.tokens.length;
    byLength.set(length, [...(byLength.get(length) ?? []), row]);
  }
  return [...byLength]
    .sort(([a], [b]) => a - b)
    .flatMap(([length, rows]) => chunks(rows, Math.max(1, Math.floor(tokens / length))));
}

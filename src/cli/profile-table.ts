/** A profile as text: for every kind of engine call its kernels, slowest first, then its matrix products by shape. Pure. */
import type { PolicyProfile } from "../policy/native-policy.js";
import { table } from "./table.js";

type Call = PolicyProfile["calls"][number];
type Cost = Omit<Call["ops"][number], "op">;

/** Shapes of matrix products shown for a call; the file has all. */
const PRODUCTS = 12;

export function profileTable(profile: PolicyProfile): string {
  const { float32, bfloat16, bytes } = profile.peaks;
  const busy = profile.calls.reduce((sum, { seconds }) => sum + seconds, 0);
  return [
    `peaks: float32 ${peak(float32)}; bfloat16 ${peak(bfloat16)}; copy ${giga(bytes)} GB/s`,
    `the engine was busy for ${time(busy)} of ${time(profile.seconds)}`,
    ...profile.calls.flatMap((call) => ["", callTable(call), ...productTable(call)]),
  ].join("\n");
}

/** Seconds of a call's kernels; the rest of its time is the host's: trees, lists, the loss. */
export function kernelSeconds(call: Call): number {
  return call.ops.reduce((sum, { seconds }) => sum + seconds, 0);
}

const HEAD = ["calls", "time", "share", "rate", "unit", "floor", "time/floor"];

function callTable(call: Call): string {
  const outside = call.seconds - kernelSeconds(call);
  const ops = [...call.ops].sort((a, b) => b.seconds - a.seconds);
  const count = `${call.count} ${call.count === 1 ? "call" : "calls"}`;
  return table(
    [`${call.call}: ${count}, ${time(call.seconds)}`, ...HEAD],
    [
      ...ops.map((op) => [op.op, ...costCells(op, call.seconds)]),
      ["outside kernels", "", time(outside), percent(outside / call.seconds), "", "", "", ""],
    ],
  );
}

function productTable(call: Call): string[] {
  if (call.products.length === 0) return [];
  const products = [...call.products].sort((a, b) => b.seconds - a.seconds).slice(0, PRODUCTS);
  const rest = call.products.length - products.length;
  const rows = products.map((product) => {
    const { m, n, k, transposeA, transposeB, dtype } = product;
    const rowsAre = transposeA ? [String(m), String(n), `≤ ${k}`] : [`≤ ${m}`, String(n), String(k)];
    const kind = `${transposeA ? "Aᵀ" : "A"}${transposeB ? "Bᵀ" : "B"} ${dtype}`;
    return [kind, ...rowsAre, ...costCells(product, call.seconds)];
  });
  return [
    "",
    table(["matrix products", "m", "n", "k", ...HEAD], rows),
    ...(rest > 0 ? [`and ${rest} more shapes`] : []),
  ];
}

function costCells(cost: Cost, whole: number): string[] {
  const { calls, seconds, flops, bytes, floorSeconds } = cost;
  return [
    String(calls),
    time(seconds),
    percent(seconds / whole),
    giga((flops > 0 ? flops : bytes) / seconds),
    flops > 0 ? "GFLOP/s" : "GB/s",
    floorSeconds > 0 ? time(floorSeconds) : "–",
    floorSeconds > 0 ? (seconds / floorSeconds).toFixed(2) : "–",
  ];
}

function peak({ product, registers }: { product: number; registers: number }): string {
  return `${giga(product)} GFLOP/s in a product${registers > 0 ? `, ${giga(registers)} in registers` : ""}`;
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const giga = (rate: number) => (rate >= 1e11 ? (rate / 1e9).toFixed(0) : (rate / 1e9).toFixed(2));
const time = (seconds: number) =>
  seconds >= 10 ? `${seconds.toFixed(1)} s` : `${(seconds * 1e3).toFixed(1)} ms`;

/** A kernel for one target, as the compiler reports it; counts: instructions by name, `all` of them. */
export interface CompiledKernel {
  registers: number;
  threads: number | undefined;
  shared: number;
  stack: number;
  spills: number;
  counts: Record<string, number> | undefined;
}
export function violationsOf(kernel: CompiledKernel, readableName: string): string[];

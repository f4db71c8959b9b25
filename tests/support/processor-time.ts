/** Milliseconds of processor time this process has had: a limit on it holds on a machine that others keep busy. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "tests/**/*.test.ts"],
    // A process per file: a crash of the native engine is then one failed file, not a lost run.
    pool: "forks",
    testTimeout: 60_000,
    typecheck: { include: ["src/**/*.test-d.ts", "tests/**/*.test-d.ts"] },
  },
});

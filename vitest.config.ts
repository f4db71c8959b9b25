import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // Studies and examples import the package by its name; in the repository that is the source.
  resolve: {
    alias: [
      { find: /^swirl-rl$/, replacement: fileURLToPath(new URL("src/index.ts", import.meta.url)) },
      { find: /^swirl-rl\/demo$/, replacement: fileURLToPath(new URL("src/demo/index.ts", import.meta.url)) },
    ],
  },
  test: {
    include: ["src/**/*.test.ts", "experiments/**/*.test.ts", "tests/**/*.test.ts"],
    // A process per file: a crash of the native engine is then one failed file, not a lost run.
    pool: "forks",
    testTimeout: 60_000,
    coverage: { include: ["src/**/*.ts"], exclude: ["**/*.test*.ts"], reporter: ["text-summary", "html"] },
    typecheck: { include: ["src/**/*.test-d.ts", "tests/**/*.test-d.ts"] },
  },
});

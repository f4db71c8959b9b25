// The layers of src/, bottom first. A folder may import from the layers below it and from itself; folders on one
// layer do not import each other. `npm run lint:imports` checks it; docs/architecture.md shows it as a picture.
const LAYERS = [
  ["errors", "version.ts"],
  ["async", "random", "secrets", "messages"],
  ["options", "files"],
  ["statistics", "endpoint", "hub", "losses", "native", "tokenizer", "trackers", "trajectory"],
  ["tinker"],
  ["data", "policy"],
  ["tools"],
  ["answers"],
  ["synthesize", "judge"],
  ["voting"],
  ["filter", "solve", "evaluate", "run-directory"],
  ["train", "report", "view"],
  ["index.ts"],
  ["demo"],
  ["cli"],
];

const path = (names) => `^src/(${names.map((name) => name.replace(".", "[.]")).join("|")})($|/)`;

/** One rule per folder: it may import only itself and what lies on a lower layer. */
const downward = LAYERS.flatMap((layer, level) =>
  layer.map((name) => ({
    name: `no-import-upward-from-${name.replace(".ts", "")}`,
    comment: "src/ has one order (see LAYERS): move the shared type or function to a lower folder.",
    severity: "error",
    from: { path: path([name]) },
    to: { path: "^src/", pathNot: path([...LAYERS.slice(0, level).flat(), name]) },
  })),
);

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    ...downward,
    {
      name: "no-folder-without-a-layer",
      comment: "Give the new folder its place in LAYERS and in docs/architecture.md.",
      severity: "error",
      from: {},
      to: { path: "^src/", pathNot: path(LAYERS.flat()) },
    },
    {
      name: "no-circle",
      comment: "Two files that import each other are one file, or need a third below both.",
      severity: "error",
      from: { path: "^(src|bench|experiments|scripts)/" },
      to: { circular: true },
    },
    {
      name: "public-api-only",
      comment: "The demo, the experiments and the examples use the package as a user does: through its public API.",
      severity: "error",
      from: { path: "^(src/demo|experiments|examples)/", pathNot: "[.]test[.]ts$" },
      to: { path: "^src/", pathNot: "^src/(demo/|index[.]ts$)" },
    },
  ],
  options: {
    tsPreCompilationDeps: true, // type imports count
    tsConfig: { fileName: "tsconfig.json" },
    includeOnly: "^(src|bench|experiments|examples|scripts)/",
    exclude: "[.]test(-d)?[.]ts$",
  },
};

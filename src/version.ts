/** The folder and the version of this package. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The package's folder, with a trailing slash: one up from src/ and from dist/ alike. */
export const packageRoot = fileURLToPath(new URL("../", import.meta.url));

/** Version of this package, such as "0.1.0". */
export const packageVersion: string = JSON.parse(readFileSync(`${packageRoot}package.json`, "utf8")).version;

export { bestOver } from "./best-over.js";
export { exactMatch } from "./exact-match.js";
export { f1 } from "./f1.js";
export { normalizeAnswer } from "./normalize.js";
export { answerNumber, numericEqual } from "./numeric.js";

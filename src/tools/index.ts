export { CalculatorError, calculate, calculator } from "./calculator/index.js";
export {
  Bm25Index,
  type Bm25Options,
  EmbeddingIndex,
  type EmbeddingIndexOptions,
  embeddingSearch,
  type Hit,
  loadIndex,
  type Retriever,
  type SearchOptions,
  saveIndex,
  search,
} from "./search/index.js";
export { type AnyTool, type Tool, type ToolContext, tool } from "./tool.js";

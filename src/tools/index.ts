/** The tools of the paper, calculator and search, and `tool` to define others. */

export type { AiSdkTool } from "./ai-sdk-tools.js";
export { CalculatorError, type CalculatorInput, calculate, calculator } from "./calculator/index.js";
export {
  type McpClient,
  type McpTool,
  type McpToolPage,
  type McpToolsOptions,
  mcpTools,
} from "./mcp-tools.js";
export {
  Bm25Index,
  type Bm25Options,
  type EmbeddingEndpointOptions,
  EmbeddingIndex,
  type EmbeddingIndexOptions,
  type EmbeddingIndexSettings,
  embeddingSearch,
  type Hit,
  loadIndex,
  type Postings,
  type Retriever,
  type SearchInput,
  type SearchOptions,
  saveIndex,
  search,
} from "./search/index.js";
export { type AnyTool, type Tool, type ToolContext, tool } from "./tool.js";

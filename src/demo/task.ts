/** The demo's task: both tools, and the question alone as the prompt, because so small a model cannot follow rules. */
import { Bm25Index, calculator, defineTask, exactMatcher, search, type Task } from "../index.js";
import type { Article } from "./world.js";

/**
 * The demo's task: search over the articles, the calculator, and exact answers.
 *
 * @param callLimit Calls per question, at least 1.
 */
export async function demoTask(articles: readonly Article[], callLimit: number): Promise<Task> {
  return defineTask({
    name: "demo",
    tools: [search(await Bm25Index.build(articles)), calculator()],
    callLimit,
    matcher: exactMatcher(),
    prompt: (question) => [{ role: "user", content: question }],
  });
}

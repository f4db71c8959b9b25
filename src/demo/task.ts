/** The demo's task: both tools at once, and the question alone as the prompt, since so small a model reads no rules. */
import { Bm25Index, calculator, defineTask, exactMatcher, search, type Task } from "../index.js";
import type { Article } from "./world.js";

export async function demoTask(articles: readonly Article[], callLimit: number): Promise<Task> {
  return defineTask({
    name: "demo",
    tools: [search(await Bm25Index.build(articles)), calculator()],
    callLimit,
    matcher: exactMatcher(),
    prompt: (question) => [{ role: "user", content: question }],
  });
}

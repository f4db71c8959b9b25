/** The task a config describes: prompt, tools, call limit, answer matcher. */
import { readPassages } from "../data/read-passages.js";
import type { Task } from "../synthesize/task.js";
import { calculatorTask, searchTask } from "../synthesize/tasks.js";
import { calculator } from "../tools/calculator/index.js";
import { Bm25Index, search } from "../tools/search/index.js";
import { required, type Session } from "./session.js";

export async function openTask(session: Session): Promise<Task> {
  const task = required(session.config, "task");
  const { callLimit } = task;
  if (task.kind === "calculator") return calculatorTask(calculator(), { callLimit });
  const { corpus, topK, maxCharacters } = task;
  const bar = session.progress("index");
  const index = await Bm25Index.build(readPassages(corpus));
  bar.stop();
  return searchTask(search(index, { topK, maxCharacters }), { callLimit });
}

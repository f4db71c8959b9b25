/** The task a config describes: prompt, tools, call limit, answer matcher. */
import { throwIfAborted } from "../async/map-concurrent.js";
import { readPassages } from "../data/read-passages.js";
import { makeFolder } from "../files/make-folder.js";
import { fewShotTask } from "../synthesize/few-shot.js";
import type { Task } from "../synthesize/task.js";
import { calculatorTask, searchTask } from "../synthesize/tasks.js";
import { calculator } from "../tools/calculator/index.js";
import { Bm25Index, EmbeddingIndex, search } from "../tools/search/index.js";
import type { TaskConfig } from "./config-schema.js";
import { defined } from "./defined.js";
import { openDemonstrations } from "./open-questions.js";
import { endpointSecrets } from "./secret.js";
import { required, type Session } from "./session.js";

type EmbeddingConfig = NonNullable<Extract<TaskConfig, { kind: "search" }>["embedding"]>;

export async function openTask(session: Session): Promise<Task> {
  const { examples } = required(session.config, "task");
  const plain = await openPlainTask(session);
  if (!examples) return plain;
  const demonstrations = await openDemonstrations(session, examples, "task.examples");
  return await fewShotTask(plain, demonstrations, { signal: session.signal });
}

async function openPlainTask(session: Session): Promise<Task> {
  const task = required(session.config, "task");
  const { callLimit } = task;
  if (task.kind === "calculator") return calculatorTask(calculator(), { callLimit });
  const { corpus, topK, maxCharacters, embedding } = task;
  const index = embedding
    ? await embeddings(session, corpus, embedding)
    : await Bm25Index.build(counted(session, readPassages(corpus)));
  return searchTask(search(index, { topK, maxCharacters }), { callLimit });
}

/** The vectors are cached in the run directory: a corpus is embedded once per run. */
async function embeddings(
  session: Session,
  corpus: string | string[],
  config: EmbeddingConfig,
): Promise<EmbeddingIndex> {
  if (session.config.output !== undefined) await makeFolder(session.config.output);
  const bar = session.progress("embed");
  const index = await EmbeddingIndex.build(readPassages(corpus), {
    ...embeddingOptions(session, config),
    ...(session.config.output === undefined ? {} : { cacheFile: session.paths.embeddings }),
    onProgress: (done, total) => bar.update(done, total),
  });
  bar.stop();
  return index;
}

export function embeddingOptions(
  session: Session,
  { apiKeyVariable, headerVariables, ...options }: EmbeddingConfig,
) {
  return {
    ...defined(options),
    ...endpointSecrets({ apiKeyVariable, headerVariables }, "task.embedding"),
    signal: session.signal,
  };
}

/** The same passages, with progress. */
async function* counted<T>(session: Session, passages: AsyncIterable<T>): AsyncGenerator<T> {
  const bar = session.progress("index");
  let count = 0;
  for await (const passage of passages) {
    count++;
    if (count % 1000 === 0) throwIfAborted(session.signal);
    if (count % 1000 === 0) bar.update(count, undefined, "passages");
    yield passage;
  }
  bar.stop();
}

/** A server that repeats the keys it was sent, in errors and in replies: they reach no file of a run directory. */
import { readdir, readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";
import { evaluate } from "../../src/evaluate/evaluate.js";
import { journaledJudge } from "../../src/judge/journaled-judge.js";
import { PromptedJudge } from "../../src/judge/prompted-judge.js";
import { EndpointPolicy } from "../../src/policy/endpoint-policy.js";
import { writeReport } from "../../src/report/write-report.js";
import { RunDirectory } from "../../src/run-directory/run-directory.js";
import { synthesize } from "../../src/synthesize/synthesize.js";
import { stepViews } from "../../src/trajectory/step-views.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { tinyTask } from "../support/tiny-world.js";

const keys = {
  apiKey: "sk-planted-4fQ/7+zR9xW2mK8",
  header: "hdr-planted-9 Ybv3TqLw",
  query: "qry-planted-1&Zp0NcUe",
};
const json = (text: string) => JSON.stringify(text).slice(1, -1);
const spellings = Object.values(keys).flatMap((key) => [
  key,
  encodeURIComponent(key),
  Buffer.from(key).toString("base64"),
  Buffer.from(`u:${key}`).toString("base64"),
  json(json(`"${key}"`)),
]);

/** Each of them in turn, so that every place where a text is truncated falls into a key for some request. */
const echo = (index: number) => {
  const said = spellings.map((spelling) => `[${spelling}]`).join(" ");
  return `${"x".repeat((index * 7) % 640)} ${said} ${spellings[index % spellings.length]}`;
};

async function echoServer() {
  let index = 0;
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const said = echo(index++);
    const choice = (content: string) => ({ message: { content }, finish_reason: "stop" });
    const reply = (status: number, value: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    const judging = /LATEST/.test(body);
    if (index % 4 === 0) reply(index % 8 === 0 ? 401 : 400, { error: { message: said } });
    else if (index % 4 === 1) reply(200, { choices: [{ text: said }] });
    else if (judging) reply(200, { choices: [choice(index % 4 === 2 ? `${said} Verdict: GOOD` : said)] });
    else reply(200, { choices: [choice(`${said} <answer>${said}</answer>`)] });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1?api-key=${encodeURIComponent(keys.query)}`,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

it("writes no planted key into any file of a run directory, in no spelling and in no part", async () => {
  await using server = await echoServer();
  const dir = join(temporaryFolder(), "run");
  const endpoint = { baseURL: server.baseURL, model: "m", probe: false, maxRetries: 0 } as const;
  await using policy = await EndpointPolicy.connect({
    ...endpoint,
    apiKey: keys.apiKey,
    headers: { "x-team": keys.header },
  });
  const judged = new PromptedJudge({ policy, retries: 0 });
  await using run = await RunDirectory.open(dir, { config: { judge: { endpoint } } });
  {
    await using judge = await journaledJudge(judged, run.paths.verdicts);
    const questions = Array.from({ length: 120 }, (_, i) => ({
      id: `q${i}`,
      question: `Q${i}?`,
      answers: ["1"],
    }));
    const options = { policy, task: tinyTask, maxFailuresInARow: 1_000 };
    for await (const trajectory of synthesize(questions, {
      ...options,
      samples: 1,
      output: run.paths.trajectories,
    }))
      for (const view of stepViews(trajectory)) await judge.judge(view);
    await evaluate(questions.slice(0, 30), {
      ...options,
      judge: judged,
      output: join(dir, "evaluation-base.jsonl"),
    });
    expect(judge.stats).toMatchObject({ asked: expect.any(Number) });
    expect(judge.stats.failed).toBeGreaterThan(10);
    expect(judge.stats.asked - judge.stats.failed).toBeGreaterThan(5);
  }
  await writeReport(dir);

  let files = 0;
  for (const name of await readdir(dir, { recursive: true })) {
    if (!(await stat(join(dir, name))).isFile()) continue;
    files++;
    const text = await readFile(join(dir, name), "utf8");
    const whole = spellings.filter((spelling) => text.includes(spelling.slice(4, -4)));
    expect([name, whole]).toEqual([name, []]);
    expect([name, /.{20}(planted|Ybv3TqLw|Zp0NcUe|zR9xW2).{20}/.exec(text)?.[0]]).toEqual([name, undefined]);
  }
  expect(files).toBeGreaterThanOrEqual(6);
});

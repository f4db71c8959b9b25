/**
 * The page of `swirl view` in a real Chromium, on a run of 10,000 trajectories with texts that try to harm it. Runs
 * where a Chromium is found: SWIRL_BROWSER, or on the path.
 */
import { existsSync, readFileSync } from "node:fs";
import { appendFile, cp } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism, loadavg } from "node:os";
import { delimiter, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serveView, type ViewServer } from "../../src/view/serve.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { viewMetrics, viewTrajectory, writeViewRun } from "../support/view-run.js";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const found =
  process.env.SWIRL_BROWSER ??
  (process.env.PATH ?? "")
    .split(delimiter)
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find((file) => existsSync(file));
const COUNT = 10_000;
const PAGES = ["overview", "curves", "trajectories", "updates", "compare"];

/** Times are only held to their limit on a machine that is not busy with other things. */
const isQuiet = () => loadavg()[0]! < availableParallelism();

let folder: string;
let server: ViewServer;
let browser: Browser;

async function visit(address: string, options: { width?: number; dark?: boolean } = {}): Promise<Page> {
  const { width = 1280, dark = false } = options;
  const context = await browser.newContext({
    viewport: { width, height: 800 },
    colorScheme: dark ? "dark" : "light",
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  await page.goto(`${server.url}${address}`);
  return page;
}

const errors: string[] = [];
/** The table shows rows. */
const rowsOf = (page: Page) => page.locator(".height .row .c-question");

describe.skipIf(!found)("swirl view in Chromium", () => {
  beforeAll(async () => {
    const root = temporaryFolder();
    folder = join(root, "run");
    await writeViewRun(folder, COUNT);
    await cp(join(import.meta.dirname, "../corpus/0.1.0/run"), join(root, "corpus"), { recursive: true });
    server = await serveView({ folders: [root], port: 0, pollMs: 100 });
    browser = await chromium.launch({ executablePath: found!, args: ["--no-sandbox"] });
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  it("shows the run within a second of starting, while its files are being read", async () => {
    const fresh = await serveView({ folders: [folder], port: 0 });
    const page = await (await browser.newContext()).newPage();
    // By the page's own clock, from the start of the navigation.
    await page.addInitScript(
      `new MutationObserver(() => {
        if (document.querySelector("main h1")) window.shownAt ??= performance.now();
      }).observe(document, { childList: true, subtree: true })`,
    );
    const started = performance.now();
    await page.goto(fresh.url);
    await page.getByRole("heading", { level: 1, name: "run" }).waitFor();
    const first = (await page.evaluate("window.shownAt")) as number;
    await page.getByText(`${COUNT.toLocaleString("en-US")} trajectories`).waitFor({ timeout: 60_000 });
    const whole = performance.now() - started;
    console.log(
      `first view ${Math.round(first)} ms, all ${COUNT} trajectories after ${Math.round(whole)} ms; load ${loadavg()[0]!.toFixed(1)} on ${availableParallelism()} cores`,
    );
    if (isQuiet()) expect(first).toBeLessThan(1000);
    await page.context().close();
    await fresh.close();
  }, 120_000);

  it("keeps few rows and little memory while scrolling through all of them", async () => {
    const page = await visit("#/trajectories?run=1&file=trajectories");
    await rowsOf(page).first().waitFor();
    const session = await page.context().newCDPSession(page);
    const heap = async () => {
      await session.send("HeapProfiler.collectGarbage");
      const { usedSize } = await session.send("Runtime.getHeapUsage");
      return usedSize;
    };
    const scroll = async (from: number, to: number) => {
      for (let i = 0; i <= 40; i++) {
        const share = from + ((to - from) * i) / 40;
        await page.evaluate(
          `box = document.querySelector(".rows"), box.scrollTop = ${share} * box.scrollHeight`,
        );
        await page.waitForTimeout(20);
      }
      await expect.poll(() => page.locator(".height .row").count()).toBeLessThan(60);
    };
    await scroll(0, 0.3); // the first pages are in
    const before = await heap();
    await scroll(0.3, 1);
    await page.getByText(`(${COUNT - 1})`).waitFor();
    await scroll(1, 0);
    const after = await heap();
    expect(after - before).toBeLessThan(4 * 2 ** 20);
    await page.context().close();
  }, 120_000);

  it("takes hostile text for text, on every page", async () => {
    const page = await visit(`#/trajectories?run=1&file=trajectories&search=${encodeURIComponent("harmed")}`);
    await rowsOf(page).first().waitFor();
    for (const row of [17, 67, 117, 167, 217, 267]) {
      await page.goto(`${server.url}#/trajectories?run=1&file=trajectories&row=${row}`);
      await page.locator(".steps .step").first().waitFor();
      await page.getByText("Prompt, 1 message").click();
    }
    await page.goto(`${server.url}#/trajectories?run=1&file=trajectories&row=167`);
    await page.locator(".hidden-character", { hasText: "U+202E" }).first().waitFor();
    await page.goto(`${server.url}#/trajectories?run=1&file=trajectories&row=267`); // 300,000 characters
    await page
      .getByRole("button", { name: /Show all 200,0\d\d characters/ })
      .first()
      .waitFor();
    await page.goto(`${server.url}#/updates?run=1`);
    await page.locator(".action").first().waitFor();
    const state = await page.evaluate(`({
      harmed: window.harmed,
      scripts: [...document.scripts].map((script) => script.getAttribute("src")),
      links: [...document.links].map((link) => link.protocol).filter((protocol) => protocol !== "http:"),
      images: [...document.images].map((image) => image.getAttribute("src")),
    })`);
    expect(state).toEqual({ harmed: undefined, scripts: ["/app.js"], links: [], images: ["/icon.svg"] });
    await page.context().close();
  }, 120_000);

  it("has no serious violation of accessibility rules, light and dark", async () => {
    const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
    for (const dark of [false, true]) {
      for (const address of [
        ...PAGES.map((name) => `#/${name}?run=1`),
        "#/trajectories?run=1&file=trajectories&row=3",
        "#/question?run=1&question=t8",
      ]) {
        const page = await visit(address, { dark });
        await page.locator("main").getByRole("heading").first().waitFor();
        await page.waitForTimeout(400);
        // As the tools of a browser do: the page's own policy forbids scripts that are not its files.
        const session = await page.context().newCDPSession(page);
        await session.send("Runtime.evaluate", { expression: readFileSync(axe, "utf8") });
        const { result } = await session.send("Runtime.evaluate", {
          expression: `axe.run().then((r) => JSON.stringify(r.violations.filter((v) => /serious|critical/.test(v.impact)).map((v) => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 200), v.nodes[0].failureSummary])))`,
          awaitPromise: true,
        });
        expect(JSON.parse(result.value as string), `${address}${dark ? ", dark" : ""}`).toEqual([]);
        await page.context().close();
      }
    }
  }, 240_000);

  it("works from the keyboard", async () => {
    const page = await visit("#/overview?run=1");
    await page.locator("h1").waitFor();
    await page.keyboard.press("t");
    await rowsOf(page).first().waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("(4242)");
    await page.getByText("1 of 10,000").first().waitFor();
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.press("Delete");
    await expect.poll(() => rowsOf(page).count()).toBeGreaterThan(5);
    await page.keyboard.press("Escape"); // to the table
    await page.keyboard.press("End");
    await page.getByText(`(${COUNT - 1})`).waitFor();
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.locator("article .question", { hasText: "(2)" }).waitFor();
    await page.keyboard.press("j");
    await page.locator("article .question", { hasText: "(3)" }).waitFor();
    await page.keyboard.press("Escape");
    await page.locator("article").waitFor({ state: "detached" });
    await page.keyboard.press("u");
    await page.getByRole("heading", { name: "Update 40" }).waitFor();
    await page.keyboard.press("ArrowLeft");
    await page.getByRole("heading", { name: "Update 39" }).waitFor();
    await page.keyboard.press("?");
    await page.getByRole("heading", { name: "Keyboard shortcuts" }).waitFor();
    await page.context().close();
  }, 60_000);

  it("takes its colors from the system, or from the button", async () => {
    const page = await visit("#/curves?run=1", { dark: true });
    const colors = () =>
      page.evaluate(`[getComputedStyle(document.body).backgroundColor,
        getComputedStyle(document.querySelector("h1")).color]`);
    await page.locator(".chart canvas").first().waitFor();
    expect(await colors()).toEqual(["rgb(19, 22, 27)", "rgb(227, 231, 238)"]);
    await page.getByRole("button", { name: /Colors: system/ }).click();
    expect(await colors()).toEqual(["rgb(255, 255, 255)", "rgb(27, 31, 39)"]);
    await page.getByRole("button", { name: /Colors: light/ }).click();
    expect(await colors()).toEqual(["rgb(19, 22, 27)", "rgb(227, 231, 238)"]);
    await page.context().close();
  });

  it("follows a run that is in progress", async () => {
    const page = await visit("#/overview?run=1");
    await page.getByText("40 updates").waitFor();
    await appendFile(join(folder, "metrics.jsonl"), `${JSON.stringify(viewMetrics(41))}\n`);
    await page.getByText("41 updates").waitFor();
    await page.keyboard.press("t");
    await page.getByRole("status").getByText("10,000").waitFor();
    await appendFile(join(folder, "trajectories.jsonl"), `${JSON.stringify(viewTrajectory(COUNT))}\n`);
    await page.getByRole("status").getByText("10,001").waitFor();
    await page.context().close();
  }, 60_000);

  it("fits a phone", async () => {
    for (const name of [
      ...PAGES,
      "trajectories?run=1&file=trajectories&row=3",
      "question?run=1&question=t8",
    ]) {
      const page = await visit(`#/${name}${name.includes("?") ? "" : "?run=1"}`, { width: 390 });
      await page.locator("h1:visible, .question:visible").first().waitFor();
      await page.waitForTimeout(300);
      const width = await page.evaluate("document.scrollingElement.scrollWidth");
      expect(width, name).toBeLessThanOrEqual(390);
      await page.context().close();
    }
  }, 60_000);

  it("made no error on the way", () => {
    expect(errors).toEqual([]);
  });
});

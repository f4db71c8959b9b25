import { afterEach, describe, expect, it } from "vitest";
import { type ServingScript, ServingServer } from "../../tests/support/serving-server.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { EndpointClient } from "./endpoint-client.js";
import { Fleet } from "./fleet.js";
import type { ResolvedFleetOptions } from "./fleet-options.js";

const started: (ServingServer | Fleet)[] = [];
afterEach(async () => {
  for (const one of started.splice(0)) {
    if (one instanceof Fleet) one.close(new SwirlError("DISPOSED", "test over"));
    else await one.kill();
  }
});

async function serving(script: ServingScript): Promise<ServingServer> {
  const server = await ServingServer.start(script);
  started.push(server);
  return server;
}

/** Answers /call with what it was sent, after some time. */
function echo(afterMs = 0): ServingScript {
  return ({ path, body }) =>
    path === "/call" ? { json: { echo: body.id }, afterMs } : path === "/health" ? { json: {} } : undefined;
}

const quick: Omit<ResolvedFleetOptions, "servers"> = {
  apiKey: undefined,
  headers: {},
  timeoutMs: 5_000,
  maxReplyBytes: 1_000_000,
  deadlineMs: 20_000,
  maxRetries: 6,
  retryBaseMs: 5,
  retryMaxMs: 50,
  concurrency: 4,
  retryBudget: 1000,
  healthEveryMs: 50,
  healthTimeoutMs: 1_000,
};

async function fleetOf(
  servers: readonly ServingServer[],
  options: Partial<ResolvedFleetOptions> = {},
  notes: string[] = [],
): Promise<Fleet> {
  const fleet = new Fleet(
    { ...quick, servers: servers.map(({ url }) => url), ...options },
    {
      model: "m",
      health: (endpoint, signal) => endpoint.client.get("/health", { signal }),
      onNote: (n) => notes.push(n),
    },
  );
  started.push(fleet);
  await fleet.start();
  return fleet;
}

const ask =
  (id: number) =>
  async (endpoint: EndpointClient, signal: AbortSignal): Promise<number> => {
    const reply = (await endpoint.client.post("/call", { body: { id }, signal })) as { echo?: unknown };
    if (reply.echo !== id) throw new SwirlError("ENDPOINT", `no echo: ${JSON.stringify(reply)}`);
    return id;
  };

const calls = (server: ServingServer) => server.arrivals.filter(({ path }) => path === "/call").length;
const until = async (what: () => boolean) => {
  for (let i = 0; i < 400 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(what()).toBe(true);
};

describe("a fleet", () => {
  it("spreads calls evenly and keeps each server within its concurrency", async () => {
    const servers = [await serving(echo(25)), await serving(echo(25)), await serving(echo(25))];
    const fleet = await fleetOf(servers);
    const ids = Array.from({ length: 60 }, (_, i) => i);
    expect(await Promise.all(ids.map((id) => fleet.call(ask(id))))).toEqual(ids);
    for (const server of servers) {
      expect(server.maxInFlight).toBe(4);
      expect(calls(server)).toBeGreaterThan(12);
    }
    expect(fleet.stats).toEqual({ calls: 60, attempts: 60, retries: 0, moved: 0, failures: 0 });
  });

  it("keeps the calls of one key on one server, and moves them when it dies", async () => {
    const servers = [await serving(echo()), await serving(echo()), await serving(echo())];
    const fleet = await fleetOf(servers);
    const key = {};
    for (let id = 0; id < 6; id++) {
      await fleet.call(ask(id), { key });
      await fleet.call(ask(100 + id)); // others go elsewhere in turn
    }
    const home = servers.find(
      (server) => server.arrivals.filter(({ body }) => Number(body.id) < 6).length === 6,
    );
    expect(home).toBeDefined();
    await home!.kill();
    expect(await fleet.call(ask(7), { key })).toBe(7);
    await until(() => fleet.servers.filter(({ state }) => state === "down").length === 1);
    const next = servers.find((server) => server.arrivals.some(({ body }) => body.id === 7))!;
    await fleet.call(ask(8), { key });
    expect(next.arrivals.some(({ body }) => body.id === 8)).toBe(true);
  });

  it("takes a server that is started again, and one that joins; one that leaves ends its calls", async () => {
    const [a, b, late] = [await serving(echo()), await serving(echo(80)), await serving(echo())];
    const notes: string[] = [];
    const fleet = await fleetOf([a, b], {}, notes);
    await a.kill();
    expect(await Promise.all([1, 2, 3].map((id) => fleet.call(ask(id))))).toEqual([1, 2, 3]);
    await a.listen();
    await until(() => fleet.servers.some(({ server, state }) => a.url.endsWith(server) && state !== "down"));
    expect(notes.join("\n")).toMatch(/is down: .*[\s\S]*is back/);
    const last = fleet.call(ask(4), { key: {} });
    const second = fleet.call(ask(5));
    fleet.remove(b.url);
    fleet.add(`${late.url}/v1`);
    expect(await Promise.all([last, second])).toEqual([4, 5]);
    await until(() => fleet.servers.length === 2 && fleet.servers.every(({ state }) => state !== "down"));
    const before = calls(b);
    await Promise.all(Array.from({ length: 12 }, (_, id) => fleet.call(ask(10 + id))));
    expect(calls(b)).toBe(before);
    expect(calls(late)).toBeGreaterThan(3);
  });

  it("moves the calls in flight away from a server that hangs whole, before they time out", async () => {
    let hangs = false;
    const stuck = await serving((request) => (hangs ? { hang: true } : echo()(request)));
    const fleet = await fleetOf([stuck, await serving(echo())], { timeoutMs: 30_000, healthTimeoutMs: 50 });
    hangs = true;
    const start = performance.now();
    expect(await Promise.all([1, 2, 3, 4].map((id) => fleet.call(ask(id))))).toEqual([1, 2, 3, 4]);
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(fleet.stats.moved).toBeGreaterThan(0);
  });

  it("does not send a request again that is refused for what it is", async () => {
    const refuses: ServingScript = ({ path }) =>
      path === "/call" ? { json: { error: { message: "too long" } }, status: 400 } : { json: {} };
    const fleet = await fleetOf([await serving(refuses), await serving(refuses)]);
    await expect(fleet.call(ask(1))).rejects.toMatchObject({
      code: "ENDPOINT",
      details: { status: 400, attempts: 1 },
    });
    expect(fleet.servers.every(({ state }) => state === "up")).toBe(true);
  });

  it("takes out a server that refuses the key or does not know the model, and asks the others", async () => {
    const other: ServingScript = ({ path }) =>
      path === "/call" ? { json: { error: { message: "no model m" } }, status: 404 } : { json: {} };
    const wrong = await serving(other);
    const fleet = await fleetOf([wrong, await serving(echo())]);
    const ids = Array.from({ length: 20 }, (_, i) => i);
    expect(await Promise.all(ids.map((id) => fleet.call(ask(id))))).toEqual(ids);
    expect(calls(wrong)).toBeLessThanOrEqual(6); // those in flight when the first answer came, and one on probation
  });

  it("gives up by one budget, whatever the number of servers", async () => {
    const garbage: ServingScript = ({ path }) => (path === "/call" ? { raw: "<html>" } : { json: {} });
    const servers = await Promise.all([garbage, garbage, garbage].map(serving));
    const fleet = await fleetOf(servers, { maxRetries: 2, retryBudget: 3 });
    await expect(fleet.call(ask(1))).rejects.toThrow(/3 attempts .*retries used up/);
    await expect(fleet.call(ask(2))).rejects.toThrow(/retry budget is used up/);
    expect(fleet.stats).toMatchObject({ calls: 2, failures: 2, retries: 3 });
  });

  it("ends calls on abort, on close, and when nobody comes back", async () => {
    const server = await serving((request) => (request.path === "/call" ? { hang: true } : echo()(request)));
    const fleet = await fleetOf([server], { timeoutMs: 10_000, concurrency: 1 });
    const abort = new AbortController();
    const inFlight = fleet.call(ask(1), { signal: abort.signal });
    const waiting = fleet.call(ask(2), { signal: abort.signal });
    setTimeout(() => abort.abort(), 20);
    await expect(inFlight).rejects.toMatchObject({ code: "ABORTED" });
    await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
    const closed = fleet.call(ask(3));
    fleet.close(new SwirlError("DISPOSED", "gone"));
    await expect(closed).rejects.toMatchObject({ code: "DISPOSED" });
    await expect(fleet.call(ask(4))).rejects.toMatchObject({ code: "DISPOSED" });

    const lone = await serving(echo());
    const left = await fleetOf([lone], { deadlineMs: 300 });
    await lone.kill();
    await expect(left.call(ask(5))).rejects.toThrow(/no server of the fleet is up.*ECONNREFUSED|deadline/s);
  });

  it("does not start without a server, follows no redirect to another host and shows no key", async () => {
    const elsewhere = await serving(echo());
    const away = await serving(() => ({
      json: {},
      status: 307,
      headers: { location: `${elsewhere.url.replace("127.0.0.1", "localhost")}/health` },
    }));
    const apiKey = "sk-fleet-secret-0123456789";
    const error = await fleetOf([away], { apiKey }).catch((caught: unknown) => caught);
    expect(SwirlError.isInstance(error) && error.message).toMatch(/redirects are followed within one origin/);
    expect(elsewhere.arrivals).toEqual([]);
    expect(String(error) + JSON.stringify(error)).not.toContain("secret-0123");
    await expect(fleetOf([], { servers: ["http://user:pw@127.0.0.1:1"] })).rejects.toMatchObject({
      code: "CONFIG",
    });
  });
});

/** Requests, the state of all runs, and the address of what is shown. */
import { useEffect, useState } from "./vendor/hooks.js";

/** The server's response. Throws its error message. `signal` aborts the request. */
export async function get(path, parameters = {}, signal) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  const response = await fetch(`/api/${path}?${query}`, { signal });
  const value = await response.json();
  if (!response.ok) throw new Error(value.error ?? `HTTP ${response.status}`);
  return value;
}

/**
 * `{ value, error, loading }` of a request, repeated when `parameters` or `version` change. The old value is kept
 * meanwhile.
 */
export function useAnswer(path, parameters, version = 0) {
  const [state, set] = useState({ value: undefined, error: undefined, loading: true });
  const key = JSON.stringify([path, parameters]);
  useEffect(() => {
    if (parameters === undefined) return;
    const stop = new AbortController();
    set((old) => ({ ...(old.key === key ? old : {}), loading: true, key }));
    get(path, parameters, stop.signal).then(
      (value) => set({ value, error: undefined, loading: false, key }),
      (error) => {
        if (!stop.signal.aborted) set({ value: undefined, error: error.message, loading: false, key });
      },
    );
    return () => stop.abort();
  }, [key, version]);
  return state;
}

/**
 * The runs, followed live: `{ runs, folders, versions, connected, error }`. `versions[id]` grows when a run changes.
 */
export function useRuns() {
  const [state, set] = useState({ runs: undefined, folders: [], versions: {}, connected: false });
  useEffect(() => {
    let closed = false;
    let loading = false;
    let again = false;
    const load = async () => {
      if (loading) {
        again = true;
        return;
      }
      loading = true;
      try {
        const answer = await get("runs");
        if (!closed) set((old) => ({ ...old, ...answer, error: undefined }));
      } catch (error) {
        if (!closed) set((old) => ({ ...old, error: error.message }));
      }
      loading = false;
      if (again && !closed) {
        again = false;
        load();
      }
    };
    const bump = (ids) =>
      set((old) => {
        const versions = { ...old.versions };
        for (const id of ids) versions[id] = (versions[id] ?? 0) + 1;
        return { ...old, versions };
      });
    const events = new EventSource("/api/events");
    events.onopen = () => {
      set((old) => ({ ...old, connected: true }));
      load(); // what changed while the connection was lost
    };
    events.onerror = () => set((old) => ({ ...old, connected: false }));
    events.onmessage = (event) => {
      bump(JSON.parse(event.data).runs);
      load();
    };
    load();
    return () => {
      closed = true;
      events.close();
    };
  }, []);
  return state;
}

/** `#/page?name=value` as `{ page, parameters }`. */
function readAddress() {
  const [page, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { page: page || "overview", parameters: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

export function address(page, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  const text = query.toString();
  return `#/${page}${text ? `?${text}` : ""}`;
}

export function go(page, parameters, replace = false) {
  const target = address(page, parameters);
  if (replace) history.replaceState(null, "", target);
  else history.pushState(null, "", target);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useAddress() {
  const [state, set] = useState(readAddress);
  useEffect(() => {
    const changed = () => set(readAddress());
    addEventListener("hashchange", changed);
    addEventListener("popstate", changed);
    return () => {
      removeEventListener("hashchange", changed);
      removeEventListener("popstate", changed);
    };
  }, []);
  return state;
}

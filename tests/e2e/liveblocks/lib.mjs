// Shared helpers around the real @liveblocks/client for Node (fetch + WebSocket polyfills).
import { createClient } from "@liveblocks/client";
import WebSocket from "ws";

export const BASE_URL = process.env.LIVEBLOCKS_BASE_URL ?? "http://127.0.0.1:1153";

/** A real Liveblocks client; every request it makes to the auth endpoint is recorded in `authCalls`.
 *  form "string": `authEndpoint: url`, where the client looks at the status; `headers` come from outside, as a cookie would.
 *  form "callback": `authEndpoint: async (room) => …` as the docs have it, where the client looks at the body alone. */
export function makeClient(authEndpoint, { baseUrl = BASE_URL, headers, form = "string" } = {}) {
  const authCalls = [];
  const record = async (url, init) => {
    const call = { url, method: init.method, headers: { ...init.headers }, credentials: init.credentials, body: init.body };
    authCalls.push(call);
    const res = await fetch(url, { ...init, headers: { ...init.headers, ...headers } });
    call.status = res.status;
    call.response = await res.clone().text();
    return res;
  };
  const callback = async (room) => {
    const body = JSON.stringify({ room });
    const res = await record(authEndpoint, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    return await res.json();
  };
  const client = createClient({
    authEndpoint: typeof authEndpoint === "function" ? authEndpoint : form === "callback" ? callback : authEndpoint,
    baseUrl,
    throttle: 16,
    polyfills: { fetch: (input, init) => (String(input) === authEndpoint ? record(String(input), init) : fetch(input, init)), WebSocket },
  });
  const errors = [];
  client.events.error.subscribe((e) => errors.push({ message: e.message, ...e.context }));
  return { client, authCalls, errors };
}

/** Resolves to "connected", or to "disconnected" (client was told to stop), or "timeout". */
export function settled(room, ms = 8000) {
  return new Promise((resolve) => {
    const t = setTimeout(() => done("timeout"), ms);
    const unsub = room.subscribe("status", (s) => (s === "connected" || s === "disconnected") && done(s));
    function done(s) { clearTimeout(t); unsub(); resolve(s); }
    const s = room.getStatus();
    if (s === "connected") done(s);
  });
}

export async function until(fn, ms = 4000) {
  const end = Date.now() + ms;
  for (;;) {
    const v = await fn();
    if (v) return v;
    if (Date.now() > end) return undefined;
    await new Promise((r) => setTimeout(r, 20));
  }
}

export function decodeJwt(tok) {
  const [h, p, s] = tok.split(".");
  const d = (x) => JSON.parse(Buffer.from(x, "base64url").toString("utf8"));
  return { header: d(h), payload: d(p), signature: s };
}

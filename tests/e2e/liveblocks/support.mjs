// What both suites need: checks that count, Roomkey processes, people who join.
// Env: ROOMKEY_BIN  the binary under test
import { spawn } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { makeClient, settled, until } from "./lib.mjs";

export const BIN = process.env.ROOMKEY_BIN && path.resolve(process.env.ROOMKEY_BIN);
if (!BIN) { console.error("ROOMKEY_BIN must name the binary under test"); process.exit(64); }
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// ---- checks

let passed = 0, failed = 0;
const name = path.basename(process.argv[1], ".mjs");

/** Passes if `test` gives true; anything else, or an error, is shown. */
export async function check(what, test) {
  let result;
  try { result = await test(); } catch (e) { result = e.stack ?? String(e); }
  if (result === true) passed++; else failed++;
  console.log(result === true ? `ok   - ${what}` : `FAIL - ${what}: ${typeof result === "string" ? result : JSON.stringify(result)}`);
}

export function done() {
  if (passed + failed === 0) failed = 1; // a suite that checked nothing has not passed
  console.log(`${name}: ${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

// ---- what must be gone at the end, however it ends

const children = new Set(), folders = [];
process.on("exit", () => {
  for (const child of children) try { child.kill("SIGKILL"); } catch { /* gone already */ }
  for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));
for (const event of ["unhandledRejection", "uncaughtException"]) process.on(event, (e) => { console.log(`FAIL - ${event}: ${e?.stack ?? e}`); failed++; done(); });
setTimeout(() => { console.log("FAIL - the suite took too long"); failed++; done(); }, Number(process.env.E2E_TIMEOUT ?? 180_000)).unref();

function tempDir() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "roomkey-e2e-"));
  folders.push(folder);
  return folder;
}

export async function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => { const { port } = server.address(); server.close(() => resolve(port)); });
  });
}

// ---- processes: the environment of each is exactly what a suite says

export function launch(command, args, { env = {}, cwd } = {}) {
  const child = spawn(command, args, { env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env }, cwd: cwd ?? tempDir(), stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  const p = { child, stdout: "", stderr: "", code: undefined };
  child.stdout.on("data", (d) => (p.stdout += d));
  child.stderr.on("data", (d) => (p.stderr += d));
  p.ended = new Promise((resolve) => {
    child.on("error", (e) => { p.stderr += e.message; p.code ??= -1; children.delete(child); resolve(p); });
    child.on("close", (code, signal) => { p.code = code ?? signal; children.delete(child); resolve(p); });
  });
  p.stop = async () => { child.kill("SIGTERM"); await Promise.race([p.ended, sleep(12_000)]); child.kill("SIGKILL"); return p; };
  return p;
}

/** Runs to its end; gives { code, stdout, stderr }. */
export async function run(args, { command = BIN, timeout = 20_000, ...options } = {}) {
  const p = launch(command, args, options);
  const timer = setTimeout(() => p.child.kill("SIGKILL"), timeout);
  await p.ended;
  clearTimeout(timer);
  return p;
}

/** Waits until `url` answers 200; fails with what the process said if it ends before. */
async function answers(p, url) {
  for (const end = Date.now() + 15_000; ; await sleep(25)) {
    if (p.code !== undefined) throw new Error(`ended with ${p.code}: ${p.stderr.trim()}`);
    if (await fetch(url, { signal: AbortSignal.timeout(1000) }).then((r) => r.status === 200, () => false)) return p;
    if (Date.now() > end) throw new Error(`${url} did not answer: ${p.stderr.trim()}`);
  }
}

const at = (p, port) => Object.assign(p, { port, base: `http://127.0.0.1:${port}`, endpoint: `http://127.0.0.1:${port}/api/liveblocks-auth` });

/** `roomkey dev` on a free port, with its two users. */
export async function dev() {
  const port = await freePort();
  const p = at(launch(BIN, ["dev", "--listen", `127.0.0.1:${port}`]), port);
  await answers(p, `${p.base}/healthz`);
  const user = (who) => bearer(new RegExp(`^${who}=(\\S+)$`, "m").exec(p.stdout)[1]);
  return Object.assign(p, { alice: user("ALICE"), bob: user("BOB") });
}

/** `roomkey serve` with that TOML on free ports. */
export async function serve(config) {
  const port = await freePort(), cwd = tempDir();
  fs.writeFileSync(path.join(cwd, "roomkey.toml"), config);
  const env = { ROOMKEY__SERVER__LISTEN: `127.0.0.1:${port}`, ROOMKEY__ADMIN__LISTEN: `127.0.0.1:${await freePort()}` };
  const p = at(launch(BIN, ["serve", "--config", "roomkey.toml"], { env, cwd }), port);
  return answers(p, `${p.base}/healthz`);
}

export async function mint(args, env) {
  const p = await run(["mint", "liveblocks", ...args], { env });
  if (p.code !== 0) throw new Error(`mint ended with ${p.code}: ${p.stderr.trim()}`);
  return p.stdout.trim();
}

// ---- callers

export const bearer = (token) => ({ authorization: `Bearer ${token}` });
export const newSecret = () => crypto.randomBytes(32).toString("base64url");

/** The app's own session token, HS256. */
export function appJwt(secret, claims) {
  const b64 = (x) => Buffer.from(JSON.stringify(x)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const input = `${b64({ alg: "HS256", typ: "JWT" })}.${b64({ iat: now, exp: now + 600, ...claims })}`;
  return `${input}.${crypto.createHmac("sha256", secret).update(input).digest("base64url")}`;
}

/** Joins with a client of its own; gives it, the room, and if it got in: itself and the storage. */
export async function join(endpoint, roomId, options = {}, ms = 8000) {
  const c = makeClient(endpoint, options);
  return { ...c, ...(await enter(c, roomId, ms)) };
}
export async function enter(c, roomId, ms = 8000) {
  const { room, leave } = c.client.enterRoom(roomId, { initialPresence: {}, initialStorage: {} });
  const status = await settled(room, ms);
  if (status !== "connected") return { room, leave, status };
  return { room, leave, status, self: await until(() => room.getSelf()), root: (await room.getStorage()).root };
}

/** The same story whoever made the tokens: an editor and a viewer in one room. */
export async function story(endpoint, roomId, editor, viewer, baseUrl) {
  const a = await join(endpoint, roomId, { headers: editor.headers, baseUrl });
  await check(`${editor.id} joins and may write`, () => (a.status === "connected" && a.self.id === editor.id && a.self.canWrite) || [a.status, a.errors, a.self]);
  a.root.set("k", "v1");
  const b = await join(endpoint, roomId, { headers: viewer.headers, baseUrl, form: "callback" });
  await check(`${viewer.id} joins and reads what was written`, async () => (b.status === "connected" && (await until(() => b.root.get("k") === "v1"))) || [b.status, b.errors]);
  a.root.set("k", "v2");
  await check("an edit arrives while both are there", async () => (await until(() => b.root.get("k") === "v2")) ?? b.root.toJSON());
  for (const [here, who] of [[b, editor], [a, viewer]]) await check(`the other one sees ${who.id} as ${JSON.stringify(who.info)}`, async () => {
    const other = await until(() => here.room.getOthers().find((o) => o.id === who.id));
    return isDeepStrictEqual(other?.info, who.info) || other;
  });
  await check(`${viewer.id} may neither write nor comment`, () => {
    if (b.self.canWrite || b.self.canComment || !a.self.canComment) return [a.self, b.self];
    try { b.root.set("k", "evil"); return "it wrote"; } catch (e) { return /read only user/.test(e.message) || e.message; }
  });
  await check("each of them asked once", () => (a.authCalls.length === 1 && b.authCalls.length === 1) || [a.authCalls.length, b.authCalls.length]);
  return { a, b };
}

/** A client that is refused stops at once, whichever way it asks. */
export async function stops(what, endpoint, roomId, options, status, reason) {
  for (const form of ["string", "callback"]) await check(`${what}: the client stops (${form} form)`, async () => {
    const c = await join(endpoint, roomId, { ...options, form }, 4000);
    await sleep(600); // the second try would have come after 250 ms
    const said = c.errors[0]?.message ?? "";
    return (c.status === "disconnected" && c.authCalls.length === 1 && c.authCalls[0].status === status && said.includes(reason)) ||
      { status: c.status, errors: c.errors, calls: c.authCalls };
  });
}

/** A client that could not be served comes back. */
export async function comesBack(what, endpoint, roomId, options, status, heal) {
  for (const form of ["string", "callback"]) await check(`${what}: the client comes back (${form} form)`, async () => {
    const mend = await heal();
    const c = makeClient(endpoint, { ...options, form });
    const entered = enter(c, roomId, 10_000);
    await until(() => c.authCalls.some((call) => call.status));
    await mend?.();
    const { status: end } = await entered;
    const statuses = c.authCalls.map((call) => call.status);
    return (end === "connected" && statuses[0] === status && statuses.at(-1) === 200) || { end, statuses, errors: c.errors };
  });
}

// What every suite here needs: checks that count, Roomkey processes, livekit-server, ports and folders of its own.
// Env: ROOMKEY_BIN  the binary under test     LIVEKIT_URL  a livekit-server that knows E2E's key (run.sh starts one)
import { spawn } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { sign, sleep, TokenVerifier, URL_WS } from "./livekit/lib.mjs";

export const HERE = path.dirname(fileURLToPath(import.meta.url));
export const ROOT = path.resolve(HERE, "../..");
export const VECTORS = path.join(ROOT, "tests/vectors");
export const BIN = process.env.ROOMKEY_BIN && path.resolve(process.env.ROOMKEY_BIN);
if (!BIN) { console.error("ROOMKEY_BIN must name the binary under test"); process.exit(64); }
/** The second key of run.sh's livekit-server: `serve` refuses the dev server's short secret. */
export const E2E = { url: URL_WS, key: "e2ekey", secret: "e2e-only-secret-of-more-than-32-characters" };

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
/** For what all later checks stand on: gives what `get` gave. */
export async function need(what, get) {
  let got;
  await check(what, async () => { got = await get(); return true; });
  if (failed && got === undefined) done();
  return got;
}
/** Counts checks that another program made. */
export function add(counts) { passed += counts.passed; failed += counts.failed; }

export function done() {
  if (passed + failed === 0) failed = 1; // a suite that checked nothing has not passed
  console.log(`${name}: ${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

/** True if `actual` has everything that `expected` has, as deep as it goes; else what differs. */
export function holds(actual, expected, at = "") {
  if (expected === null || typeof expected !== "object") return Object.is(actual, expected) || { at, actual, expected };
  if (actual === null || typeof actual !== "object" || Array.isArray(actual) !== Array.isArray(expected)) return { at, actual, expected };
  if (Array.isArray(expected) && actual.length !== expected.length) return { at, actual, expected };
  for (const key of Object.keys(expected)) {
    const result = holds(actual[key], expected[key], `${at}.${key}`);
    if (result !== true) return result;
  }
  return true;
}

// ---- what must be gone at the end, however it ends

const children = new Set(), folders = [];
process.on("exit", () => {
  for (const child of children) try { child.kill("SIGKILL"); } catch { /* gone already */ }
  for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));
process.on("unhandledRejection", (e) => { console.error(e); failed++; done(); });
process.on("uncaughtException", (e) => { console.error(e); failed++; done(); });
setTimeout(() => { console.error("the suite took too long"); failed++; done(); }, Number(process.env.E2E_TIMEOUT ?? 300_000)).unref();

export function tempDir() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "roomkey-e2e-"));
  folders.push(folder);
  return folder;
}

const given = new Set();
export async function freePort() {
  for (;;) {
    const port = await new Promise((resolve, reject) => {
      const server = net.createServer().on("error", reject);
      server.listen(0, "127.0.0.1", () => { const { port } = server.address(); server.close(() => resolve(port)); });
    });
    if (!given.has(port)) { given.add(port); return port; }
  }
}

// ---- processes

/** Nothing of ours leaks into a process: what Roomkey reads from the environment is exactly what a suite says. */
const cleanEnv = (env) => ({ PATH: process.env.PATH, HOME: process.env.HOME, ...env });

export function launch(command, args, { env = {}, cwd } = {}) {
  const child = spawn(command, args, { env: cleanEnv(env), cwd: cwd ?? tempDir(), stdio: ["pipe", "pipe", "pipe"] });
  children.add(child);
  const p = { child, stdout: "", stderr: "", code: undefined };
  child.stdin.on("error", () => {});
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
export async function run(args, { input = "", timeout = 30_000, command = BIN, ...options } = {}) {
  const p = launch(command, args, options);
  p.child.stdin.end(input);
  const timer = setTimeout(() => p.child.kill("SIGKILL"), timeout);
  await p.ended;
  clearTimeout(timer);
  return p;
}

/** Waits until `url` answers 200; fails with what the process said if it ends before. */
export async function answers(p, url, ms = 15_000) {
  for (const end = Date.now() + ms; ; await sleep(25)) {
    if (p.code !== undefined) throw new Error(`ended with ${p.code}: ${p.stderr.trim()}`);
    const ok = await fetch(url, { signal: AbortSignal.timeout(1000) }).then((r) => r.status === 200, () => false);
    if (ok) return p;
    if (Date.now() > end) throw new Error(`${url} did not answer: ${p.stderr.trim()}`);
  }
}

/** `roomkey dev` on a free port. */
export async function dev() {
  const port = await freePort();
  const p = launch(BIN, ["dev", "--listen", `127.0.0.1:${port}`]);
  Object.assign(p, { port, base: `http://127.0.0.1:${port}`, endpoint: `http://127.0.0.1:${port}/livekit/token` });
  await answers(p, `${p.base}/healthz`);
  const user = (who) => {
    const token = new RegExp(`^${who}=(\\S+)$`, "m").exec(p.stdout)?.[1];
    if (!token) throw new Error(`no line ${who}=… on stdout: ${p.stdout}`);
    return { token, headers: { authorization: `Bearer ${token}` } };
  };
  for (const end = Date.now() + 5000; !/^BOB=/m.test(p.stdout) && Date.now() < end; ) await sleep(10);
  return Object.assign(p, { alice: user("ALICE"), bob: user("BOB") });
}

/** `roomkey serve` with that TOML, or (without) with the environment alone, on free ports. */
export async function serve({ config, env = {}, files = {} } = {}) {
  const [port, adminPort] = [await freePort(), await freePort()];
  const cwd = tempDir();
  for (const [file, text] of Object.entries(files)) fs.writeFileSync(path.join(cwd, file), text);
  if (config !== undefined) fs.writeFileSync(path.join(cwd, "roomkey.toml"), config);
  const ports = { ROOMKEY__SERVER__LISTEN: `127.0.0.1:${port}`, ROOMKEY__ADMIN__LISTEN: `127.0.0.1:${adminPort}` };
  const args = config === undefined ? ["serve"] : ["serve", "--config", "roomkey.toml"];
  const p = launch(BIN, args, { env: { ...ports, ...env }, cwd });
  Object.assign(p, { port, adminPort, cwd, base: `http://127.0.0.1:${port}`, endpoint: `http://127.0.0.1:${port}/livekit/token` });
  return answers(p, `${p.base}/healthz`);
}

/** `roomkey mint livekit …`; the token, or an error with what it said. */
export async function mint(args, { key = E2E.key, secret = E2E.secret } = {}) {
  const env = { LIVEKIT_URL: E2E.url, LIVEKIT_API_KEY: key, LIVEKIT_API_SECRET: secret };
  const p = await run(["mint", "livekit", ...args], { env });
  if (p.code !== 0) throw Object.assign(new Error(`mint ended with ${p.code}: ${p.stderr.trim()}`), p);
  if (!/^[\w-]+\.[\w-]+\.[\w-]+\n?$/.test(p.stdout)) throw new Error(`mint printed more than a token: ${p.stdout}`);
  return p.stdout.trim();
}

/** A livekit-server with other keys, on free ports. */
export async function livekitServer(keys) {
  const port = await freePort();
  const env = { LK_PORT: String(port), LK_UDP: String(await freePort()), LK_KEYS: keys, LK_RUN: tempDir() };
  for (const name of ["XDG_CACHE_HOME", "GOPATH", "GOPROXY", "GOFLAGS", "LK_BIN"]) if (process.env[name]) env[name] = process.env[name];
  const p = launch("sh", [path.join(HERE, "livekit/server.sh"), "fg"], { env });
  p.url = `ws://127.0.0.1:${port}`;
  return answers(p, `http://127.0.0.1:${port}/`);
}

// ---- callers

export const newSecret = () => crypto.randomBytes(32).toString("base64url");

/** The app's own session token, HS256. */
export function appJwt(secret, claims) {
  const now = Math.floor(Date.now() / 1000);
  return sign({ iat: now, exp: now + 600, ...claims }, secret);
}

export const bearer = (token) => ({ authorization: `Bearer ${token}` });

export const verifier = ({ key, secret }) => new TokenVerifier(key, secret);

/** A configuration of `serve` against the e2e LiveKit with one HS256 app secret; `more` is appended. */
export function configWith(secret, more) {
  return `
[livekit]
url = "${E2E.url}"
api_key = "${E2E.key}"
api_secret = "${E2E.secret}"
${more.livekit ?? ""}
[[authenticate]]
kind = "jwt"
secret = "${secret}"
claims = { id = "sub", name = "name" }
${more.tables ?? ""}
`;
}

// A real browser on another origin: livekit-client's TokenSource asks Roomkey with an Authorization header, so a preflight comes
// first. A page of an allowed origin gets a token and joins; a page of any other gets nothing, and its request never reaches a decision.
// Env: CHROMIUM  (default: the first of chromium, chromium-browser, google-chrome on the PATH; without one the suite is skipped, loudly)
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { claimsOf, validate } from "./livekit/lib.mjs";
import { appJwt, check, configWith, done, E2E, freePort, HERE, launch, need, newSecret, serve, tempDir } from "./support.mjs";

const chromium = process.env.CHROMIUM ?? findOnPath(["chromium", "chromium-browser", "google-chrome"]);
if (!chromium) {
  console.log("skip - THE BROWSER SUITE: there is no chromium here");
  console.log("browser: 0 passed, 0 failed");
  process.exit(0);
}
const bundle = fs.readFileSync(path.join(HERE, "livekit/node_modules/livekit-client/dist/livekit-client.umd.js"));

const page = `<!doctype html><title>e2e</title><script src="/livekit-client.js"></script><script>
  const { Room, TokenSource } = LivekitClient, { endpoint, token, room } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  const attempt = (make) => make().then((value) => ({ value }), (error) => ({ error: String(error) }));
  (async () => {
    const headers = { Authorization: "Bearer " + token, "Content-Type": "application/json" };
    const out = { origin: location.origin };
    out.asked = await attempt(() => TokenSource.endpoint(endpoint, { headers }).fetch({ roomName: room }));
    out.forbidden = await attempt(() => TokenSource.endpoint(endpoint, { headers }).fetch({ roomName: "elsewhere" }));
    out.nobody = await attempt(() => fetch(endpoint, { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" })
      .then(async (res) => ({ status: res.status, code: (await res.json()).code })));
    out.simple = await attempt(() => fetch(endpoint, { method: "POST", headers: { "Content-Type": "text/plain" }, body: '{"room_name":"' + room + '"}' }).then((res) => res.status));
    if (out.asked.value) out.joined = await attempt(async () => {
      const it = new Room();
      await it.connect(out.asked.value.serverUrl, out.asked.value.participantToken);
      const { name } = it, { identity } = it.localParticipant;
      await it.disconnect();
      return { name, identity };
    });
    await fetch("/result", { method: "POST", body: JSON.stringify(out) });
  })();
</script>`;

/** A site that serves that page and waits for what it found. */
async function site(host) {
  const port = await freePort();
  let found;
  const result = new Promise((resolve) => (found = resolve));
  const server = http.createServer(async (req, res) => {
    if (req.url === "/result") {
      let body = "";
      for await (const chunk of req) body += chunk;
      res.end();
      return found(JSON.parse(body));
    }
    if (req.url === "/livekit-client.js") return res.writeHead(200, { "content-type": "text/javascript" }).end(bundle);
    res.writeHead(req.url === "/" ? 200 : 404, { "content-type": "text/html" }).end(req.url === "/" ? page : "");
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { origin: `http://${host}:${port}`, result };
}

const ours = await site("127.0.0.1"), theirs = await site("127.0.0.1"), secret = newSecret();
const service = await need("roomkey serve starts with one allowed origin", () => serve({
  config: configWith(secret, {
    tables: `[cors]\nallowed_origins = ["${ours.origin}"]\n` +
      '[[authorize]]\nkind = "rules"\n[[authorize.rules]]\nroom = "browser-*"\nrole = "participant"',
  }),
}));
const room = `browser-${Date.now()}`;

/** Opens the site's page in a browser of its own and gives what the page found. */
async function visit({ origin, result }) {
  const task = { endpoint: service.endpoint, token: appJwt(secret, { sub: "alice", name: "Alice" }), room };
  const browser = launch(chromium, [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-port=0",
    `--user-data-dir=${tempDir()}`, `${origin}/#${encodeURIComponent(JSON.stringify(task))}`,
  ]);
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`the page said nothing: ${browser.stderr.slice(-1500)}`)), 60_000).unref());
  try { return await Promise.race([result, late]); } finally { await browser.stop(); }
}

const here = await need("a page of the allowed origin loads", () => visit(ours));
await check("its TokenSource gets a token, across origins, with a preflight", async () => {
  const { value, error } = here.asked;
  if (!value) return error;
  const { sub, video } = claimsOf(value.participantToken), { status } = await validate(value.participantToken);
  return (value.serverUrl === E2E.url && sub === "alice" && video.room === room && status === 200) || { ...value, sub, video, status };
});
await check("it joins with it", () => {
  const { value, error } = here.joined ?? {};
  return (value?.name === room && value.identity === "alice") || error || here;
});
await check("it can read a refusal: 403", () => /received 403/.test(here.forbidden.error) || here.forbidden);
await check("and that nobody is 401, with its code", () =>
  (here.nobody.value?.status === 401 && here.nobody.value.code === "unauthenticated") || here.nobody);
await check("a request that needs no preflight is not taken either: 415", () => here.simple.value === 415 || here.simple);

const there = await need("a page of another origin loads", () => visit(theirs));
for (const what of ["asked", "forbidden", "nobody", "simple"]) await check(`the browser keeps every answer from it (${what})`, () =>
  /Failed to fetch/.test(there[what].error) || there[what]);
await check("roomkey ends with 0 when told to", async () => (await service.stop()).code === 0 || service.code);
await check("of all this, only the allowed page's requests came to a decision", () => {
  const decisions = service.stderr.split("\n").filter((line) => line.includes('"decision"'));
  const about = (name) => decisions.filter((line) => line.includes(name)).length;
  return (decisions.length === 2 && about(room) === 1 && about("elsewhere") === 1) || decisions;
});
done();

function findOnPath(names) {
  const folders = (process.env.PATH ?? "").split(":");
  for (const name of names) for (const folder of folders) if (fs.existsSync(path.join(folder, name))) return path.join(folder, name);
  return undefined;
}

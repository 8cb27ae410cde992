// The real Liveblocks dev server and the real @liveblocks/client, through `roomkey dev` and `roomkey serve`.
// Env: ROOMKEY_BIN. Needs liveblocks/dev-server.sh start on 127.0.0.1:1153, where `roomkey dev` looks for it (liveblocks.sh does all of it).
import "./liveblocks/quiet.mjs";
import http from "node:http";
import { BASE_URL, decodeJwt, makeClient } from "./liveblocks/lib.mjs";
import { appJwt, bearer, check, comesBack, dev, done, enter, join, mint, newSecret, run, serve, sleep, stops, story } from "./liveblocks/support.mjs";

const stamp = Date.now().toString(36); // the dev server outlives a suite
const alice = { id: "alice", info: { name: "Alice" } }, bob = { id: "bob", info: { name: "Bob" } };

// ---- roomkey dev, as someone meets it first

const d = await dev();
await story(d.endpoint, `dev-${stamp}`, { ...alice, headers: d.alice }, { ...bob, headers: d.bob });
await stops("nobody", d.endpoint, `dev-${stamp}`, {}, 401, "Unauthorized");
await stops("a pattern as a room", d.endpoint, "*", { headers: d.alice }, 400, "`*`");

await check("its curl lines give tokens as pasted", async () => {
  const lines = d.stdout.split("\n").filter((line) => line.startsWith("curl ") && line.includes("/api/liveblocks-auth"));
  for (const line of lines) {
    const p = await run(["-c", line], { command: "sh" });
    if (decodeJwt(JSON.parse(p.stdout).token).payload.k !== "acc") return p;
  }
  return lines.length === 2 || d.stdout;
});
await check("the inbox is there", async () => {
  const c = makeClient(d.endpoint, { headers: d.bob });
  await c.client.getInboxNotifications();
  const [call] = c.authCalls;
  const { perms } = decodeJwt(JSON.parse(call.response).token).payload;
  return (call.body === "{}" && call.status === 200 && JSON.stringify(Object.keys(perms)) === '["*"]') || c.authCalls;
});
await check("roomkey dev ends with 0 when told to", async () => (await d.stop()).code === 0 || d);

// ---- roomkey serve, before a proxy that can be made to fail

let refuse; // an answer instead of the dev server's
const proxied = [];
const proxy = http.createServer(async (req, res) => {
  let body = "";
  for await (const chunk of req) body += chunk;
  proxied.push({ url: req.url, body });
  if (refuse) return res.writeHead(refuse.status, refuse.headers).end(refuse.body ?? "");
  const answer = await fetch(BASE_URL + req.url, { method: req.method, headers: { authorization: req.headers.authorization, "content-type": req.headers["content-type"] }, body });
  res.writeHead(answer.status, Object.fromEntries([...answer.headers].filter(([name]) => name === "x-lb-warn"))).end(await answer.text());
});
await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
const upstream = `http://127.0.0.1:${proxy.address().port}`;

const secret = newSecret();
const config = (more = "", key = "sk_localdev") => `
[liveblocks]
secret_key = "${key}"
base_url = "${upstream}"
timeout = "1s"
${more}
[[authenticate]]
kind = "jwt"
secret = "${secret}"
[[authorize]]
kind = "rules"
[[authorize.rules]]
name = "everywhere"
room = "team:{team}:**"
claims = { wide = true }
role = "participant"
liveblocks_rooms = ["team:{team}:*"]
[[authorize.rules]]
room = "team:{team}:**"
claims = { guest = true }
role = "viewer"
[[authorize.rules]]
room = "team:{team}:**"
role = "participant"
[[authorize.rules]]
no_room = true
role = "viewer"
liveblocks_rooms = ["team:{team}:*"]
`;
const as = (sub, claims) => bearer(appJwt(secret, { sub, name: sub[0].toUpperCase() + sub.slice(1), team: "red", ...claims }));
const s = await serve(config());
const room = `team:red:${stamp}`;

await story(s.endpoint, room, { ...alice, headers: as("alice") }, { ...bob, headers: as("bob", { guest: true }) });
await stops("a user of another team", s.endpoint, room, { headers: as("eve", { team: "blue" }) }, 403, "Forbidden");
await stops("a user whose session is over", s.endpoint, room, { headers: as("eve", { exp: 1_000_000_000 }) }, 401, "Unauthorized");
await stops("a room that cannot be", s.endpoint, `team:red:${"x".repeat(128)}`, { headers: as("alice") }, 400, "128");

const busy = { status: 429, headers: { "retry-after": "1", "content-type": "application/json" }, body: '{"error":"forbidden","reason":"x"}' };
const failing = (answer) => async () => { refuse = answer; return () => { refuse = undefined; }; };
await comesBack("Liveblocks wants fewer calls", s.endpoint, room, { headers: as("carol") }, 503, failing(busy));
await comesBack("Liveblocks does not take the key for a while", s.endpoint, room, { headers: as("carol") }, 502, failing({ status: 403, body: '{"error":"forbidden","reason":"x"}' }));
await comesBack("Liveblocks fails", s.endpoint, room, { headers: as("carol") }, 502, failing({ status: 500 }));

await check("an exact room costs a call for each room", async () => {
  const c = makeClient(s.endpoint, { headers: as("alice") });
  const all = [await enter(c, `${room}:1`), await enter(c, `${room}:2`)];
  return (all.every(({ status }) => status === "connected") && c.authCalls.length === 2) || [all.map((x) => x.status), c.authCalls.length];
});
for (const form of ["string", "callback"]) await check(`liveblocks_rooms: two rooms with one call (${form} form)`, async () => {
  const c = makeClient(s.endpoint, { headers: as("alice", { wide: true }), form });
  const all = [await enter(c, `${room}:1`), await enter(c, `${room}:2`)];
  const { perms } = decodeJwt(JSON.parse(c.authCalls[0].response).token).payload;
  return (all.every(({ status, self }) => status === "connected" && self.canWrite) && c.authCalls.length === 1 &&
    JSON.stringify(Object.keys(perms)) === JSON.stringify([`${room}:1`, "team:red:*"])) || [all.map((x) => [x.status, x.self]), c.authCalls];
});
await check("a personal call opens what its rule names, and no second call is needed for it", async () => {
  const c = makeClient(s.endpoint, { headers: as("bob") });
  await c.client.getInboxNotifications();
  await c.client.getInboxNotifications();
  const { perms } = decodeJwt(JSON.parse(c.authCalls[0].response).token).payload;
  return (c.authCalls.length === 1 && JSON.stringify(perms) === JSON.stringify({ "team:red:*": ["room:read", "room:presence:write", "comments:read"] })) || c.authCalls;
});
await check("a personal call in the callback form, which sends no room at all", async () => {
  const c = makeClient(s.endpoint, { headers: as("bob"), form: "callback" });
  await c.client.getInboxNotifications();
  return (c.authCalls.length === 1 && c.authCalls[0].status === 200) || c.authCalls;
});
await check("a user without a team has no inbox, and the client says so", async () => {
  const c = makeClient(s.endpoint, { headers: as("bob", { team: undefined }) });
  const said = await c.client.getInboxNotifications().then(() => "it worked", (e) => e.message);
  return (c.authCalls[0].status === 403 && /Unauthorized/.test(said)) || [said, c.authCalls];
});
await check("after logout() the client gets another token", async () => {
  const c = await join(s.endpoint, room, { headers: as("alice") });
  c.client.logout();
  for (const end = Date.now() + 5000; c.authCalls.length < 2 && Date.now() < end; ) await sleep(20);
  const [first, second] = c.authCalls.map((call) => JSON.parse(call.response ?? "{}").token);
  await sleep(300);
  return (c.authCalls.length === 2 && first !== second && c.room.getStatus() === "connected") || [c.room.getStatus(), c.authCalls, c.errors];
});
await check("a token that an operator minted lets its user in", async () => {
  const env = { LIVEBLOCKS_SECRET_KEY: "sk_localdev", ROOMKEY__LIVEBLOCKS__BASE_URL: BASE_URL };
  const token = await mint(["--user", "op", "--room", room, "--role", "viewer"], env);
  const c = await join(async () => ({ token }), room);
  const inspected = await run(["inspect", token], { env });
  return (c.status === "connected" && c.self.id === "op" && !c.self.canWrite && inspected.stdout.includes('"op"')) || [c.status, c.errors, inspected];
});

// ---- ID tokens: rooms that are there let in whom they let in, no token makes one

const id = await serve(config('token = "id"'));
await check("an ID token enters a room that is there", async () => {
  const c = await join(id.endpoint, room, { headers: as("zed", { groups: ["staff"] }) });
  const { payload } = decodeJwt(JSON.parse(c.authCalls[0].response).token);
  return (c.status === "connected" && c.self.id === "zed" && payload.k === "id" && payload.gids[0] === "staff" && proxied.at(-1).url === "/v2/identify-user") || [c.status, c.errors, payload];
});
await check("an ID token serves every room with one call", async () => {
  const c = makeClient(id.endpoint, { headers: as("zed") });
  const all = [await enter(c, `${room}:1`), await enter(c, `${room}:2`)];
  return (all.every(({ status }) => status === "connected") && c.authCalls.length === 1) || [all.map((x) => x.status), c.authCalls.length];
});
await check("a room that was never there is Liveblocks' to refuse", async () => {
  const c = await join(id.endpoint, `team:red:never-${stamp}`, { headers: as("zed") }, 4000);
  return (c.status === "disconnected" && c.errors[0]?.code === 4001) || [c.status, c.errors];
});
await stops("ID tokens are not for everyone", id.endpoint, room, { headers: as("eve", { team: "blue" }) }, 403, "Forbidden");

// ---- a key that Liveblocks does not take

const wrong = await serve(config("", "sk_wrong"));
for (const form of ["string", "callback"]) await check(`a wrong service key stops nobody's client (${form} form)`, async () => {
  const c = await join(wrong.endpoint, room, { headers: as("alice"), form }, 1500);
  return (c.status === "timeout" && c.authCalls.length > 1 && c.authCalls.every((call) => call.status === 502 || call.status === undefined)) || [c.status, c.authCalls];
});
await check("what is wrong stands in the log, and the key does not", () =>
  (wrong.stderr.includes("liveblocks.secret_key") && wrong.stderr.includes("sk_localdev") /* the dev server's own X-LB-Warn */ && !wrong.stderr.includes("sk_wrong")) || wrong.stderr);

for (const p of [s, id, wrong]) await p.stop();
done();

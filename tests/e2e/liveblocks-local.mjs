// The local form: an app that embeds @liveblocks/server, checks the tokens itself, and takes those that Roomkey signs.
// Env: ROOMKEY_BIN
import "./liveblocks/quiet.mjs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { decodeJwt, makeClient } from "./liveblocks/lib.mjs";
import { appJwt, bearer, check, done, enter, join, launch, mint, newSecret, run, serve, sleep, stops, story } from "./liveblocks/support.mjs";

const SIGNING = "0123456789abcdef0123456789abcdef"; // selfhost-server.mjs has it too
const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), "liveblocks");
const app = launch(process.execPath, [path.join(folder, "selfhost-server.mjs")], { cwd: folder });
for (const end = Date.now() + 10_000; !app.stdout.includes("\n") && Date.now() < end; ) await sleep(20);
const baseUrl = app.stdout.trim();
if (!baseUrl) { console.log(`FAIL - the app did not start: ${app.stderr}`); process.exit(1); }

const secret = newSecret();
const config = (signing) => `
[liveblocks]
signing_secret = "${signing}"
project_id = "my-app"
[[authenticate]]
kind = "jwt"
secret = "${secret}"
[[authorize]]
kind = "rules"
[[authorize.rules]]
room = "team:{team}:**"
claims = { guest = true }
role = "viewer"
[[authorize.rules]]
room = "team:{team}:**"
claims = { wide = true }
role = "participant"
liveblocks_rooms = ["team:{team}:*"]
[[authorize.rules]]
room = "team:{team}:**"
role = "participant"
[[authorize.rules]]
no_room = true
role = "viewer"
liveblocks_rooms = ["team:{team}:*"]
`;
const as = (sub, claims) => bearer(appJwt(secret, { sub, team: "red", ...claims }));
const s = await serve(config(SIGNING));
const room = "team:red:doc";

const alice = { id: "alice", info: { name: "Łukasz 🎉", avatar: "https://example.com/a.png" } };
const bob = { id: "bøb", info: { name: "Bob" } };
await story(s.endpoint, room,
  { ...alice, headers: as("alice", { name: alice.info.name, picture: alice.info.avatar }) },
  { ...bob, headers: as(bob.id, { name: "Bob", guest: true }) }, baseUrl);

await check("the token is what the app expects", async () => {
  const c = await join(s.endpoint, room, { headers: as("alice"), baseUrl });
  const { header, payload } = decodeJwt(JSON.parse(c.authCalls[0].response).token);
  return (c.status === "connected" && header.alg === "HS256" && payload.pid === "my-app" && payload.exp - payload.iat === 3600 &&
    JSON.stringify(payload.perms) === JSON.stringify({ [room]: ["room:write", "comments:write"] })) || [c.status, header, payload];
});
await stops("a user of another team", s.endpoint, room, { headers: as("eve", { team: "blue" }), baseUrl }, 403, "Forbidden");
await stops("nobody", s.endpoint, room, { baseUrl }, 401, "Unauthorized");
await stops("a pattern as a room", s.endpoint, "team:red:*", { headers: as("alice"), baseUrl }, 400, "`*`");
await check("two rooms with one call", async () => {
  const c = makeClient(s.endpoint, { headers: as("alice", { wide: true }), baseUrl });
  const all = [await enter(c, "team:red:1"), await enter(c, "team:red:2")];
  return (all.every(({ status, self }) => status === "connected" && self.canWrite) && c.authCalls.length === 1) || [all.map((x) => x.status), c.authCalls];
});
await check("an exact room costs a call for each room", async () => {
  const c = makeClient(s.endpoint, { headers: as("alice"), baseUrl });
  const all = [await enter(c, "team:red:1"), await enter(c, "team:red:2")];
  return (all.every(({ status }) => status === "connected") && c.authCalls.length === 2) || [all.map((x) => x.status), c.authCalls.length];
});
await check("a token for one room opens no other", async () => {
  const { token } = JSON.parse((await join(s.endpoint, "team:red:1", { headers: as("alice"), baseUrl })).authCalls[0].response);
  const c = await join(async () => ({ token }), "team:red:2", { baseUrl }, 4000);
  return (c.status === "disconnected" && c.errors.length > 0) || [c.status, c.errors];
});
await check("a personal token reads the rooms of its rule", async () => {
  const ask = await fetch(s.endpoint, { method: "POST", headers: { ...as("bob"), "content-type": "application/json" }, body: "{}" });
  const { token } = await ask.json();
  const c = await join(async () => ({ token }), "team:red:1", { baseUrl });
  return (c.status === "connected" && !c.self.canWrite) || [c.status, c.errors];
});
await check("after logout() the client gets another token", async () => {
  const c = await join(s.endpoint, room, { headers: as("alice"), baseUrl });
  c.client.logout();
  for (const end = Date.now() + 5000; c.authCalls.length < 2 && Date.now() < end; ) await sleep(20);
  await sleep(300);
  const ids = new Set(c.authCalls.map((call) => decodeJwt(JSON.parse(call.response).token).payload.jti));
  return (ids.size === 2 && c.room.getStatus() === "connected") || [c.room.getStatus(), c.authCalls, c.errors];
});
await check("a token that an operator minted lets its user in, and inspect says what it opens", async () => {
  const env = { ROOMKEY__LIVEBLOCKS__SIGNING_SECRET: SIGNING };
  const token = await mint(["--user", "op", "--room", room, "--permissions", "*:read,comments:none"], env);
  const c = await join(async () => ({ token }), room, { baseUrl });
  const inspected = await run(["inspect", token], { env });
  return (c.status === "connected" && c.self.id === "op" && !c.self.canWrite && inspected.code === 0 && inspected.stdout.includes(room)) || [c.status, c.errors, inspected];
});
await check("what another key signed the app refuses", async () => {
  const other = await serve(config(newSecret()));
  const c = await join(other.endpoint, room, { headers: as("alice"), baseUrl }, 4000);
  await other.stop();
  return (c.status === "disconnected" && c.errors[0]?.code === 4001) || [c.status, c.errors];
});
await check("it ends with 0 when told to", async () => (await s.stop()).code === 0 || s.stderr);
await app.stop();
done();

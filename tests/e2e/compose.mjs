// examples/compose without Docker: its setup.sh, its app, and Roomkey with exactly the environment that its compose.yaml gives,
// beside a real livekit-server with the same keys. Only addresses differ: ports of this run instead of the published ones.
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { claimsOf, join } from "./livekit/lib.mjs";
import { answers, check, done, freePort, HERE, launch, livekitServer, need, ROOT, run, serve, tempDir } from "./support.mjs";

const example = path.join(ROOT, "examples/compose");
const services = servicesOf(fs.readFileSync(path.join(example, "compose.yaml"), "utf8"));
const file = path.join(tempDir(), "env");
const setup = () => run([path.join(example, "setup.sh"), file], { command: "sh" });

await check("setup.sh writes the secrets, for their owner alone", async () => {
  const { code, stderr } = await setup();
  return (code === 0 && (fs.statSync(file).mode & 0o077) === 0) || { code, stderr };
});
const variables = dotenv(fs.readFileSync(file, "utf8"));
await check("and never overwrites them", async () => {
  const { code } = await setup();
  return code !== 0 && JSON.stringify(dotenv(fs.readFileSync(file, "utf8"))) === JSON.stringify(variables);
});
await check("compose.yaml asks for what setup.sh makes, and for nothing else", () => {
  const asked = new Set(Object.values(services).flatMap(({ environment }) => Object.values(environment)).flatMap((value) => [...value.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name)));
  return [...asked].sort().join() === Object.keys(variables).sort().join() || [...asked];
});
await check("LiveKit and Roomkey share their keys, the app and Roomkey their secret", () => {
  const { livekit, roomkey, app } = services;
  return livekit.environment.LIVEKIT_KEYS === roomkey.environment.LIVEKIT_KEYS && app.environment.APP_SECRET === roomkey.environment.ROOMKEY_JWT_SECRET;
});
for (const [name, { text }] of Object.entries(services)) await check(`${name} runs read-only, without capabilities, and cannot gain any`, () =>
  ["read_only: true", "cap_drop: [ALL]", 'security_opt: ["no-new-privileges:true"]'].every((line) => text.includes(`    ${line}\n`)));

// as compose would start them
const environmentOf = (name) => Object.fromEntries(Object.entries(services[name].environment).map(([key, value]) =>
  [key, value.replace(/\$\{(\w+)\}/g, (_, variable) => variables[variable])]));
const livekit = await need("livekit-server starts with the keys", () => livekitServer(variables.LIVEKIT_KEYS));
variables.LIVEKIT_URL = livekit.url;
const liveblocks = await standIn();
variables.LIVEBLOCKS_BASE_URL = liveblocks.url;
const roomkey = await need("roomkey serve starts with compose's environment", () => serve({ env: environmentOf("roomkey") }));
const port = await freePort();
const app = await need("the app starts", async () => {
  const bundle = path.join(HERE, "livekit/node_modules/livekit-client/dist/livekit-client.umd.js");
  const env = { ...environmentOf("app"), ROOMKEY_URL: roomkey.base, PORT: String(port), HOST: "127.0.0.1", LIVEKIT_CLIENT_JS: bundle };
  return answers(launch(process.execPath, [path.join(example, "app/server.mjs")], { env }), `http://127.0.0.1:${port}/`);
});

const base = `http://127.0.0.1:${port}`;
async function login(user) {
  const res = await fetch(`${base}/login`, { method: "POST", body: new URLSearchParams({ user }), redirect: "manual" });
  return { status: res.status, cookie: res.headers.get("set-cookie") ?? "" };
}
async function ask(cookie, room_name, headers = {}) {
  const res = await fetch(`${base}/livekit/token`, {
    method: "POST", body: JSON.stringify({ room_name }),
    headers: { "content-type": "application/json", origin: base, ...(cookie && { cookie: cookie.split(";")[0] }), ...headers },
  });
  return { status: res.status, body: await res.json() };
}
const room = `org:acme:standup-${Date.now()}`;

/** In place of Liveblocks' development server, which liveblocks.mjs runs for real: remembers what it was asked. */
async function standIn() {
  const asked = [];
  const server = http.createServer(async (req, res) => {
    let body = "";
    for await (const chunk of req) body += chunk;
    asked.push({ url: req.url, key: req.headers.authorization, body: JSON.parse(body) });
    res.end(JSON.stringify({ token: "a.b.c" }));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  server.unref();
  return { asked, url: `http://127.0.0.1:${server.address().port}` };
}

await check("alice gets a key to a document of her org, through the app", async () => {
  const { cookie } = await login("alice");
  const res = await fetch(`${base}/api/liveblocks-auth`, {
    method: "POST", body: JSON.stringify({ room: "org:acme:plan" }),
    headers: { "content-type": "application/json", origin: base, cookie: cookie.split(";")[0] },
  });
  const answer = await res.json(), [call] = liveblocks.asked;
  const good = res.status === 200 && answer.token === "a.b.c" && call.url === "/v2/authorize-user" && call.key === "Bearer sk_localdev" &&
    JSON.stringify(call.body.permissions) === '{"org:acme:plan":["room:write","comments:write"]}' && call.body.userId === "alice";
  return good || { status: res.status, answer, call };
});

await check("the page and the client's bundle are there", async () => {
  const [page, bundle] = await Promise.all(["/", "/livekit-client.js"].map(async (at) => (await fetch(base + at)).text()));
  return page.includes("/livekit/token") && bundle.includes("LivekitClient");
});
const cookies = {};
for (const user of ["alice", "bob", "carol"]) await check(`${user} logs in; scripts and other sites do not get the cookie`, async () => {
  const { status, cookie } = await login(user);
  cookies[user] = cookie;
  return (status === 303 && /HttpOnly/.test(cookie) && /SameSite=Strict/.test(cookie)) || { status, cookie };
});
await check("nobody else logs in", async () => (await login("nobody")).status === 403 && (await login("__proto__")).status === 403);
const inside = {};
for (const user of ["alice", "bob"]) inside[user] = await need(`${user} gets a token by the cookie, and joins`, async () => {
  const { status, body } = await ask(cookies[user], room);
  if (status !== 201 || body.server_url !== livekit.url) throw new Error(JSON.stringify({ status, body }));
  const { sub, name, video } = claimsOf(body.participant_token);
  if (sub !== user || name?.toLowerCase() !== user || video.room !== room || video.roomAdmin) throw new Error(JSON.stringify({ sub, name, video }));
  return join(body.server_url, body.participant_token);
});
await check("they see each other", () => inside.bob.room.remoteParticipants.has("alice"));
for (const [what, expected, ...asked] of [
  ["not logged in: 401", 401, "", room],
  ["carol, of another org: 403", 403, cookies.carol, room],
  ["alice, into another org's room: 403", 403, cookies.alice, "org:umbrella:standup"],
  ["alice's browser on another site's page: 403", 403, cookies.alice, room, { origin: "https://evil.example" }],
  ["a cookie that someone changed: 401", 401, cookies.alice.replace(/\.[^.;]+;/, ".AAAA;"), room],
]) await check(what, async () => { const got = await ask(...asked); return got.status === expected || got; });

for (const p of Object.values(inside)) await p.room.disconnect();
for (const [name, p] of Object.entries({ app, roomkey })) await check(`${name} ends with 0 when told to`, async () => (await p.stop()).code === 0 || p.code);
done();

/** What docker compose reads from the file, as far as this example goes: services, and their environment as a map. */
function servicesOf(yaml) {
  const services = {};
  for (const [, name, text] of yaml.slice(yaml.indexOf("\nservices:\n")).matchAll(/^ {2}(\w+):\n((?: {4}.*\n|\n)+)/gm)) {
    const block = /^ {4}environment:\n((?: {6}.*\n)+)/m.exec(text)?.[1] ?? "";
    const environment = {};
    for (const [, key, value] of block.matchAll(/^ {6}(\w+): (.+)$/gm)) environment[key] = value.replace(/^"(.*)"$/, "$1");
    services[name] = { text, environment };
  }
  return services;
}

function dotenv(text) {
  return Object.fromEntries([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, key, value]) => [key, value.replace(/^"(.*)"$/, "$1")]));
}

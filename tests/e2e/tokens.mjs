// What the real server makes of Roomkey's tokens as the built-in roles give them, and of tokens that were tampered with.
// Env: ROOMKEY_EXPIRED_TOKEN  a token of E2E's that Roomkey minted with a ttl of 1s some time ago; without it one is made
import { admin, call, claimsOf, join, permissionOf, post, publish, sign, sleep, until, validate } from "./livekit/lib.mjs";
import { appJwt, bearer, check, configWith, done, E2E, mint, need, newSecret, serve } from "./support.mjs";

const stamp = Date.now(), roomA = `tokens-${stamp}-a`, roomB = `tokens-${stamp}-b`;
const secret = newSecret();
const service = await need("roomkey serve starts", () => serve({
  config: configWith(secret, {
    tables: `
[[authorize]]
kind = "rules"
[[authorize.rules]]
room = "tokens-*"
claims = { team = "watchers" }
role = "viewer"
[[authorize.rules]]
room = "tokens-*"
claims = { team = "talkers" }
role = "participant"
[[authorize.rules]]
room = "tokens-*"
claims = { team = "hosts" }
role = "host"
`,
  }),
}));
const people = { alice: "hosts", bob: "watchers", carol: "talkers" };
async function ask(who, room_name, team = people[who]) {
  const headers = bearer(appJwt(secret, { sub: who, name: who.toUpperCase(), team }));
  const { status, text } = await post(service.endpoint, headers, JSON.stringify({ room_name }));
  return { status, text, token: status === 201 ? JSON.parse(text).participant_token : undefined };
}
const tokens = {};
for (const who of Object.keys(people)) tokens[who] = await need(`${who} gets a token that the server accepts`, async () => {
  const { status, text, token } = await ask(who, roomA);
  const answer = token ? await validate(token) : { status, text };
  if (answer.status !== 200) throw new Error(JSON.stringify(answer));
  return token;
});
await check("who is in no team gets none: 403", async () => (await ask("alice", roomA, "nobody's")).status === 403);
await check("nor does anyone for another room: 403", async () => (await ask("alice", "elsewhere")).status === 403);

// the built-in roles, inside
const inside = {};
for (const who of Object.keys(people)) inside[who] = await need(`${who} joins`, () => join(E2E.url, tokens[who]));
await check("each has the app's name", () => Object.entries(inside).every(([who, p]) => p.me.name === who.toUpperCase()));
const may = { alice: [true, true, true], bob: [false, false, true], carol: [true, true, true] };
for (const [who, expected] of Object.entries(may)) await check(`the server lets ${who} ${expected[0] ? "publish" : "only watch"}`, () => {
  const { canPublish, canPublishData, canSubscribe } = permissionOf(inside[who]);
  const got = [canPublish, canPublishData, canSubscribe];
  return got.join() === expected.join() || got;
});
await check("carol talks and bob hears her", async () =>
  (await publish(inside.carol, "microphone")) && Boolean(await until(() => inside.bob.heard.has("carol"), 5000)));
const send = (from, text) => from.me.publishData(Buffer.from(text), { reliable: true });
const arrives = (at, text) => until(() => at.data.some((d) => d.text === text));
await check("carol's data reaches bob", async () => { await send(inside.carol, "from carol"); return arrives(inside.bob, "from carol"); });
await check("bob's data reaches nobody", async () => { await send(inside.bob, "from bob"); return !(await arrives(inside.alice, "from bob")); });
await check("bob may not publish", async () => !(await publish(inside.bob, "microphone")));

for (const [who, status] of [["bob", 401], ["carol", 401], ["alice", 200]])
  await check(`${who} ${status === 200 ? "may" : "may not"} see the list of who is there`, async () => {
    const answer = await call(tokens[who], "RoomService/ListParticipants", { room: roomA }, E2E.url);
    return answer.status === status || answer;
  });

// one room, and that one only
await check("a token for one room does not lead into another", async () => {
  await admin().createRoom({ name: roomB });
  const p = await join(`${E2E.url}?room=${roomB}`, (await ask("alice", roomA)).token);
  const joined = p.room.name, others = await admin().listParticipants(roomB);
  await p.room.disconnect();
  return (joined === roomA && others.length === 0) || { joined, others: others.length };
});
await check("a host of one room is no host of another", async () => {
  const { video } = claimsOf(tokens.alice);
  return (video.roomAdmin === true && video.room === roomA) || video;
});

// forged and stale
const refused = async (token, why) => {
  const { status, text } = await validate(token);
  if (status !== 401 || !why.test(text)) return { status, text };
  return join(E2E.url, token).then(() => "joined", (e) => e.refused || e.message);
};
const claims = claimsOf(tokens.alice), now = Math.floor(stamp / 1000);
await check("(control: alice's claims signed with the right secret are accepted)", async () =>
  (await validate(sign(claims, E2E.secret))).status === 200);
await check("signed with another secret: refused", () => refused(sign(claims, newSecret()), /signature is invalid/));
await check("by a key that the server does not know: refused", () => refused(sign({ ...claims, iss: "other" }, E2E.secret), /invalid API key/));
await check("another room written into it: refused", () => {
  const [head, , signature] = tokens.alice.split(".");
  const changed = Buffer.from(JSON.stringify({ ...claims, video: { ...claims.video, room: roomB } })).toString("base64url");
  return refused(`${head}.${changed}.${signature}`, /signature is invalid/);
});
await check("no algorithm: refused", () => {
  const part = (x) => Buffer.from(JSON.stringify(x)).toString("base64url");
  return refused(`${part({ alg: "none", typ: "JWT" })}.${part(claims)}.`, /./);
});
await check("expired, with the same claims: refused", () => refused(sign({ ...claims, nbf: now - 600, exp: now - 90 }, E2E.secret), /expired/));
if (process.env.ROOMKEY_EXPIRED_TOKEN) await check("minted with a ttl of 1s: refused once the server's minute of leeway is over", async () => {
  const token = process.env.ROOMKEY_EXPIRED_TOKEN, { exp, nbf } = claimsOf(token);
  if (exp - nbf !== 1) return { exp, nbf };
  await sleep(Math.max(0, (exp + 61) * 1000 - Date.now()));
  return refused(token, /expired/);
});
await check("a ttl beyond a day is not minted", () =>
  mint(["--identity", "alice", "--room", roomA, "--role", "viewer", "--ttl", "25h"]).then(() => "minted", (e) => e.code === 1 || e.code === 2 || e.message));

for (const p of Object.values(inside)) await p.room.disconnect();
await Promise.all([roomA, roomB].map((name) => admin().deleteRoom(name).catch(() => {})));
done();

#!/usr/bin/env node
// The whole story against a token endpoint in LiveKit's standard dialect, on the real server: alice is host, bob a viewer.
//   node e2e.mjs        (needs ./server.sh start and the endpoint, e.g. node token-endpoint.mjs)
// Env: TOKEN_ENDPOINT (default http://127.0.0.1:4701/livekit/token)
//      ALICE, BOB          header that says who asks (default 'Authorization: Bearer alice', 'Authorization: Bearer bob')
//      ALICE_ID, BOB_ID    their identities (default alice, bob)
//      ROOM, OTHER_ROOM, AGENT_ROOM  both may enter ROOM and alice AGENT_ROOM; all three are deleted (default fresh names)
//      AGENT               agent that alice may dispatch (default e2e-agent; empty: that check is skipped)
//      LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET (default the dev server's)
// One line per check; exit 0 if all passed, else 1.
import {
  admin, askEndpoint, call, claimsOf, dispatches, header, join, KEY, officialToken, permissionOf, post, publish, sign, until, URL_WS,
  validate,
} from "./lib.mjs";

const env = process.env;
const endpoint = env.TOKEN_ENDPOINT ?? "http://127.0.0.1:4701/livekit/token";
const users = {
  alice: { id: env.ALICE_ID ?? "alice", headers: header(env.ALICE ?? "Authorization: Bearer alice") },
  bob: { id: env.BOB_ID ?? "bob", headers: header(env.BOB ?? "Authorization: Bearer bob") },
};
const room = env.ROOM ?? `e2e-${Date.now()}`, other = env.OTHER_ROOM ?? `${room}-other`, agentRoom = env.AGENT_ROOM ?? `${room}-agent`;
const agent = env.AGENT ?? "e2e-agent";
const ask = (user, options) => askEndpoint(endpoint, { headers: users[user].headers, roomName: room, ...options });
const cleanUp = () => Promise.all([room, other, agentRoom].map((name) => admin().deleteRoom(name).catch(() => {})));

let passed = 0, failed = 0;
/** Passes if `test` gives true; anything else is shown. */
async function check(what, test) {
  let result;
  try { result = await test(); } catch (e) { result = e.message; }
  if (result === true) passed++; else failed++;
  console.log(result === true ? `ok   - ${what}` : `FAIL - ${what}: ${JSON.stringify(result)}`);
}
/** For what all later checks stand on. */
async function need(what, get) {
  try { const got = await get(); passed++; console.log(`ok   - ${what}`); return got; } catch (e) {
    console.log(`FAIL - ${what}: ${e.message}`);
    end(failed + 1);
  }
}
function end(failed) {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
const refused = async (token) => {
  const answer = await validate(token);
  if (answer.status !== 401) return answer;
  return join(URL_WS, token).then(() => "joined", (e) => e.refused || e.message);
};
const sends = (p, text) => p.me.publishData(Buffer.from(text), { reliable: true });
const gets = (p, text, from) => until(() => p.data.some((d) => d.text === text && (!from || d.from === from)));

await cleanUp();

// the endpoint
await check("nobody in particular gets no token", async () => {
  const { status } = await post(endpoint, {}, JSON.stringify({ room_name: room }));
  return status === 401 || status;
});
await check("the answer is 201, snake_case, never cached", async () => {
  const { status, headers, text } = await post(endpoint, users.alice.headers, JSON.stringify({ room_name: room }));
  const answer = JSON.parse(text), claims = claimsOf(answer.participant_token);
  const good = status === 201 && answer.server_url === URL_WS && headers.get("cache-control") === "no-store" &&
    answer.room_name === room && answer.participant_name === claims.name;
  return good || { status, cache: headers.get("cache-control"), ...answer, participant_token: claims };
});

// both join
const { url, token: aliceToken } = await need("TokenSource gets alice a token", () => ask("alice"));
const { token: bobToken } = await need("TokenSource gets bob a token", () => ask("bob"));
const claims = claimsOf(aliceToken), bobClaims = claimsOf(bobToken), now = Math.floor(Date.now() / 1000);
await check("it begins now and ends within a day", () =>
  (Math.abs(claims.nbf - now) <= 5 && claims.exp > now && claims.exp <= now + 86400) || { now, ...claims });
for (const token of [aliceToken, bobToken]) await check("/rtc/validate accepts it", async () => {
  const answer = await validate(token);
  return answer.status === 200 || answer;
});
const alice = await need("alice joins", () => join(url, aliceToken));
const bob = await need("bob joins", () => join(url, bobToken));
const seenBy = (p, user, { name }, ms) => until(() => p.room.remoteParticipants.get(users[user].id), ms)
  .then((seen) => (seen && name && seen.name === name) || { expected: users[user].id, named: name, seen: seen?.name });
await check("bob sees alice, by identity and name", () => seenBy(bob, "alice", claims));
await check("alice sees bob, by identity and name", () => seenBy(alice, "bob", bobClaims, 5000)); // silent ones are announced every 3 s

// what a host may
await check("alice's data reaches bob", async () => { await sends(alice, "from alice"); return gets(bob, "from alice", users.alice.id); });
await check("alice's microphone is taken", () => publish(alice, "microphone"));
await check("bob hears alice", () => until(() => bob.heard.has(users.alice.id)));

// what a viewer may not
const control = await join(URL_WS, await officialToken("e2e-control", { roomJoin: true, room }));
await check("(control: alice would notice data)", async () => {
  await sends(control, "from control");
  return gets(alice, "from control");
});
await control.room.disconnect();
await check("bob's data reaches nobody", async () => { await sends(bob, "from bob"); return !(await gets(alice, "from bob")); });
await check("bob may not publish, says the server", () => {
  const { canPublish, canPublishData, canUpdateMetadata } = permissionOf(bob);
  return !(canPublish || canPublishData || canUpdateMetadata) || permissionOf(bob);
});
await check("bob's microphone is refused", async () => !(await publish(bob, "microphone")));
await check("alice has no track of bob's", () => alice.room.remoteParticipants.get(users.bob.id).trackPublications.size === 0);

// this room only
await check("alice is in the room she asked for, and only named that", () =>
  (alice.room.name === room && claims.video.room === room) || { joined: alice.room.name, granted: claims.video });
for (const [what, method, body] of [
  ["create a room", "RoomService/CreateRoom", { name: other }],
  ["list all rooms", "RoomService/ListRooms", {}],
  ["delete a room", "RoomService/DeleteRoom", { room }],
  ["list the people in another room", "RoomService/ListParticipants", { room: other }],
  ["record", "Egress/StartRoomCompositeEgress", { room_name: other }], // there is no such room: a permitted call fails at once
]) for (const [user, token] of [["alice", aliceToken], ["bob", bobToken]])
  await check(`${user} may not ${what}`, async () => (await call(token, method, body)).status === 401);
await check("bob may not remove alice", async () =>
  (await call(bobToken, "RoomService/RemoveParticipant", { room, identity: users.alice.id })).status === 401);

// forged
await check("(control: alice's claims signed again are accepted)", async () => (await validate(sign(claims))).status === 200);
await check("an expired token is refused", () => refused(sign({ ...claims, nbf: now - 600, exp: now - 90 })));
await check("a changed token is refused", () => {
  const [head, , signature] = aliceToken.split(".");
  const changed = Buffer.from(JSON.stringify({ ...claims, sub: "carol" })).toString("base64url");
  return refused([head, changed, signature].join("."));
});
await check("a token signed with another secret is refused", () => refused(sign(claims, "another secret, long enough for HS256")));
await check("a token of another key is refused", () => refused(sign({ ...claims, iss: `${KEY}2` })));

// once per identity, whatever room she asks the server for
await check("(control: alice is still there)", () => alice.room.isConnected && !alice.left);
const again = await need("alice joins again, asking for another room", async () => join(`${url}?room=${other}`, (await ask("alice")).token));
await check("that ends her first visit", async () => (await until(() => alice.left)) === "DUPLICATE_IDENTITY" || alice.left);
await check("and opens no other room", async () => again.room.name === room && (await admin().listRooms([other])).length === 0);
await again.room.disconnect();
await bob.room.disconnect();

// agents
if (!agent) console.log("skip - an agent is dispatched (AGENT is empty)");
else await check("an agent named in room_config is dispatched", async () => {
  const p = await join(url, (await ask("alice", { roomName: agentRoom, agentName: agent, agentMetadata: "hello" })).token);
  const found = await until(async () => (await dispatches().listDispatch(agentRoom)).find((d) => d.agentName === agent));
  await p.room.disconnect();
  return found?.metadata === "hello" || found;
});

await cleanUp();
end(failed);

// What real clients send: livekit-client's TokenSource with each of its options, the bodies that were captured from the
// JavaScript and Rust clients, and the short dialect of the SDK guides.
import fs from "node:fs";
import path from "node:path";
import { claimsOf, post, TokenSource, validate } from "./livekit/lib.mjs";
import { appJwt, bearer, check, configWith, dev, done, E2E, holds, need, newSecret, serve, VECTORS, verifier } from "./support.mjs";

const service = await need("roomkey dev starts", dev);
const alice = service.alice.headers;
const devKeys = { key: "devkey", secret: "secret" };
const source = () => TokenSource.endpoint(service.endpoint, { headers: alice });
const room = `clients-${Date.now()}`;

/** Verified by the official SDK, taken by the real server, for alice, with what was asked in it. */
async function good(token, expected, keys = devKeys) {
  await verifier(keys).verify(token);
  const answer = await validate(token);
  if (answer.status !== 200) return answer;
  return holds(claimsOf(token), { sub: "alice", ...expected });
}

// ---- TokenSource, option by option

const agents = (agent) => ({ roomConfig: { agents: [agent] } });
const options = {
  "roomName alone": [{}, {}],
  participantName: [{ participantName: "Al" }, { name: "Al" }],
  "participantIdentity, her own": [{ participantIdentity: "alice" }, {}],
  "participantIdentity, a device of hers": [{ participantIdentity: "alice~tab-1" }, { sub: "alice~tab-1" }],
  participantMetadata: [{ participantMetadata: '{"a":1}' }, { metadata: '{"a":1}' }],
  participantAttributes: [{ participantAttributes: { seat: "4", "x.y": "" } }, { attributes: { seat: "4" } }],
  "participantAttributes, none": [{ participantAttributes: {} }, {}],
  agentName: [{ agentName: "helper" }, agents({ agentName: "helper" })],
  "agentName and agentMetadata": [{ agentName: "helper", agentMetadata: "m" }, agents({ agentName: "helper", metadata: "m" })],
  "agentName and deployment": [{ agentName: "helper", deployment: "staging" }, agents({ agentName: "helper", deployment: "staging" })],
  "empty strings": [{ participantIdentity: "", participantName: "", agentName: "", agentMetadata: "" }, {}],
  "all at once": [
    {
      participantName: "Al", participantIdentity: "alice", participantMetadata: "md", participantAttributes: { a: "b" },
      agentName: "ag", agentMetadata: "am", deployment: "d",
    },
    { name: "Al", metadata: "md", attributes: { a: "b" }, ...agents({ agentName: "ag", metadata: "am", deployment: "d" }) },
  ],
};
for (const [what, [asked, expected]] of Object.entries(options)) await check(`TokenSource with ${what}`, async () => {
  const { serverUrl, participantToken } = await source().fetch({ roomName: room, ...asked });
  return serverUrl !== E2E.url ? serverUrl : good(participantToken, { ...expected, video: { room, roomJoin: true } });
});
const refusals = {
  "no room": {},
  "someone else's identity": { roomName: room, participantIdentity: "carol" },
  "agentMetadata without an agent": { roomName: room, agentMetadata: "m" },
  "deployment without an agent": { roomName: room, deployment: "staging" },
};
for (const [what, asked] of Object.entries(refusals)) await check(`TokenSource with ${what} is told 400`, async () => {
  const error = await source().fetch(asked).then(() => "a token", (e) => e.message);
  return /received 400/.test(error) || error;
});
await check("what was not asked for is not in the token", async () => {
  const { participantToken } = await source().fetch({ roomName: room });
  const { roomConfig, metadata } = claimsOf(participantToken);
  return !(roomConfig || metadata) || { roomConfig, metadata };
});
await check("TokenSource keeps a token, and gets another one for another room or when forced", async () => {
  const kept = source(), ask = async (name, force) => claimsOf((await kept.fetch({ roomName: name }, force)).participantToken);
  const [first, second, other] = [await ask(room), await ask(room), await ask(`${room}-b`)];
  return (holds(second, first) === true && other.video.room === `${room}-b` && (await ask(room, true)).video.room === room) || { first, second, other };
});

// ---- captured bodies

const js = JSON.parse(fs.readFileSync(path.join(VECTORS, "tokensource-js.json"))).requests;
const rust = fs.readFileSync(path.join(VECTORS, "tokensource-rust-requests.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line));
const captured = new Map();
for (const [name, { sent }] of Object.entries(js)) if (sent?.method === "POST") captured.set(sent.body, `JavaScript, ${name}`);
for (const { method, body } of rust) if (method === "POST" && !captured.has(body)) captured.set(body, "Rust");
// Swift, Android and Flutter send a room_config in any case
captured.set('{"room_name":"r","room_config":{}}', "Swift");
captured.set('{"room_name":"r","participant_identity":"alice","room_config":{}}', "Android");

const secret = newSecret();
const generating = await need("roomkey serve starts, with rooms to be generated", () => serve({
  config: configWith(secret, {
    livekit: 'when_no_room = "generate"\n[livekit.client_may_set]\ndevice = true\nname = true\nmetadata = true\nattributes = ["*"]\nagents = ["*"]',
    tables: '[[authorize]]\nkind = "rules"\n[[authorize.rules]]\nroom = "**"\nrole = "participant"',
  }),
}));
const servants = [
  { name: "dev", endpoint: service.endpoint, headers: alice, keys: devKeys, generates: false },
  { name: "generate", endpoint: generating.endpoint, headers: bearer(appJwt(secret, { sub: "alice" })), keys: E2E, generates: true },
];

for (const [body, name] of captured) for (const { name: at, endpoint, headers, keys, generates } of servants) {
  const what = `${name}, at ${at}: ${body}`;
  let asked = JSON.parse(body), sent = body;
  if (asked.participant_identity && asked.participant_identity !== "alice") {
    await check(`${what} is 400: another's identity`, async () => {
      const { status } = await post(endpoint, headers, body);
      return status === 400 || status;
    });
    asked = { ...asked, participant_identity: "alice" };
    sent = JSON.stringify(asked);
  }
  const [agent] = asked.room_config?.agents ?? [];
  const nameless = agent && !agent.agent_name && Object.values(agent).some(Boolean);
  const expected = nameless || !(asked.room_name || generates) ? 400 : 201;
  await check(`${what} is ${expected}`, async () => {
    const { status, text } = await post(endpoint, headers, sent);
    if (status !== expected) return { status, text };
    const answer = JSON.parse(text);
    if (status === 400) return answer.code === "invalid_request" || answer;
    const claims = claimsOf(answer.participant_token), { room } = claims.video;
    if (answer.room_name !== room || answer.server_url !== E2E.url) return answer;
    if (!(asked.room_name ? room === asked.room_name : /^room-.{16,}/.test(room))) return { room };
    return good(answer.participant_token, wanted(asked, agent), keys);
  });
}

/** The claims that a request asks for. */
function wanted({ participant_name, participant_metadata, participant_attributes }, agent) {
  const claims = {};
  if (participant_name) claims.name = participant_name;
  if (participant_metadata) claims.metadata = participant_metadata;
  const attributes = Object.entries(participant_attributes ?? {}).filter(([, value]) => value !== ""); // to LiveKit "" is no attribute
  if (attributes.length) claims.attributes = Object.fromEntries(attributes);
  if (agent?.agent_name) {
    const { agent_name: agentName, ...rest } = agent;
    Object.assign(claims, agents({ agentName, ...rest }));
  }
  return claims;
}

await check("generated rooms are never the same", async () => {
  const { endpoint, headers } = servants[1], rooms = new Set();
  for (let i = 0; i < 20; i++) rooms.add(JSON.parse((await post(endpoint, headers, "{}")).text).room_name);
  return rooms.size === 20 || [...rooms];
});
await check("PUT is 405 and says POST", async () => {
  const { sent } = js.custom_options;
  const res = await fetch(service.endpoint, { method: sent.method, headers: { "content-type": "application/json", ...alice }, body: sent.body });
  return (res.status === 405 && /\bPOST\b/.test(res.headers.get("allow"))) || [res.status, res.headers.get("allow")];
});

// ---- the short dialect

for (const body of [{ room }, { room, user_id: "alice" }, { room, userId: "alice" }]) await check(`short: ${Object.keys(body)} is 200`, async () => {
  const { status, text } = await post(service.endpoint, alice, JSON.stringify(body));
  const answer = JSON.parse(text);
  if (status !== 200 || Object.keys(answer).sort().join() !== "token,url" || answer.url !== E2E.url) return { status, text };
  return good(answer.token, { video: { room } });
});
for (const [what, body] of Object.entries({
  "another's user_id": { room, user_id: "bob" },
  "another's userId": { room, userId: "bob" },
  "both spellings": { room, user_id: "alice", userId: "alice" },
  "both dialects": { room, room_name: room },
  "a field that nobody knows": { room, role: "host" },
})) await check(`short: ${what} is 400`, async () => {
  const { status, text } = await post(service.endpoint, alice, JSON.stringify(body));
  return (status === 400 && JSON.parse(text).code === "invalid_request") || { status, text };
});

done();

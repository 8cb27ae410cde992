// A sidecar: no file at all, the environment alone, beside a livekit-server with a key of its own.
import { claimsOf, join, post } from "./livekit/lib.mjs";
import { appJwt, bearer, check, done, freePort, livekitServer, need, newSecret, run, serve, verifier } from "./support.mjs";

const keys = { key: "sidecarkey", secret: `${newSecret()}-sidecar` };
const LIVEKIT_KEYS = `${keys.key}: ${keys.secret}`;
const livekit = await need("a livekit-server starts with a key of its own", () => livekitServer(LIVEKIT_KEYS));
const secret = newSecret();
const env = { LIVEKIT_URL: livekit.url, LIVEKIT_KEYS, ROOMKEY_JWT_SECRET: secret, ROOMKEY_RULES: "org:{org}:** participant" };
const service = await need("roomkey serve starts on the environment alone", () => serve({ env }));

const room = `org:acme:standup-${Date.now()}`;
const ask = (claims, room_name = room) =>
  post(service.endpoint, bearer(appJwt(secret, claims)), JSON.stringify({ room_name })).then(({ status, text }) => ({ status, ...JSON.parse(text) }));
const alice = { sub: "alice", name: "Alice", org: "acme" };

const answer = await need("alice of acme gets a token for acme's room", async () => {
  const got = await ask(alice);
  if (got.status !== 201) throw new Error(JSON.stringify(got));
  return got;
});
await check("it leads to that server, and is signed with that key", async () => {
  await verifier(keys).verify(answer.participant_token);
  return answer.server_url === livekit.url || answer.server_url;
});
await check("she is in the room, as a participant", async () => {
  const p = await join(answer.server_url, answer.participant_token);
  const { canPublish, canSubscribe, canPublishData } = p.me.info.permission;
  const got = { identity: p.me.identity, room: p.room.name, canPublish, canSubscribe, canPublishData, admin: claimsOf(answer.participant_token).video.roomAdmin ?? false };
  await p.room.disconnect();
  const expected = { identity: "alice", room, canPublish: true, canSubscribe: true, canPublishData: true, admin: false };
  return JSON.stringify(got) === JSON.stringify(expected) || got;
});
for (const [what, claims, status, where] of [
  ["bob of another org is told 403", { sub: "bob", org: "umbrella" }, 403],
  ["bob without an org is told 403", { sub: "bob" }, 403],
  ["bob whose org is two is told 403 where neither fits", { sub: "bob", org: ["one", "two"] }, 403],
  ["an org with a wildcard in it is told 403", { sub: "bob", org: "*" }, 403],
  ["alice is told 403 outside of her org's rooms", alice, 403, "standup"],
  ["a token without a subject is told 401", { org: "acme" }, 401],
]) await check(what, async () => { const got = await ask(claims, where); return got.status === status || got; });
await check("a token signed by someone else is told 401", async () => {
  const { status } = await post(service.endpoint, bearer(appJwt(newSecret(), alice)), JSON.stringify({ room_name: room }));
  return status === 401 || status;
});

const exits = async (vars, args = ["serve"]) => run(args, { env: { PORT: String(await freePort()), ...vars }, timeout: 5000 });
await check("healthcheck finds it", async () => {
  const { code, stderr } = await exits({ ...env, ROOMKEY__SERVER__LISTEN: `127.0.0.1:${service.port}`, PORT: String(service.port) }, ["healthcheck"]);
  return code === 0 || { code, stderr };
});
await check("healthcheck finds nothing where nothing is", async () => (await exits(env, ["healthcheck"])).code === 1);
for (const [missing, says] of [["ROOMKEY_JWT_SECRET", /authenticat/], ["ROOMKEY_RULES", /authoriz/], ["LIVEKIT_KEYS", /livekit/i]])
  await check(`without ${missing} it does not start, says why, and tells no secret`, async () => {
    const { [missing]: _, ...rest } = env, { code, stderr } = await exits(rest);
    return (code === 1 && says.test(stderr) && ![secret, keys.secret].some((s) => stderr.includes(s))) || { code, stderr };
  });
await check("a key that is too short for the real thing is refused", async () => {
  const { code, stderr } = await exits({ ...env, LIVEKIT_KEYS: "devkey: secret" });
  return (code === 1 && /LIVEKIT_KEYS/.test(stderr)) || { code, stderr };
});
await check("it ends with 0 when told to", async () => (await service.stop()).code === 0 || service.code);
done();

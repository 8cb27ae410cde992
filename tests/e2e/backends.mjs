// examples/backends: each of them as its reader would start it, tried by `roomkey conformance`, then deciding for `roomkey serve`,
// whose tokens join the real LiveKit. In both forms: who it is comes from the backend (a cookie), or from the app's JWT.
// Env: E2E_PYTHON         a Python that has what the FastAPI one requires     E2E_PLAIN_BACKEND  the Go one, built
import fs from "node:fs";
import path from "node:path";
import { claimsOf, join, permissionOf, post, sleep } from "./livekit/lib.mjs";
import { appJwt, bearer, check, configWith, done, freePort, holds, launch, need, newSecret, ROOT, run, serve, tempDir } from "./support.mjs";

const folder = path.join(ROOT, "examples/backends");
const backends = [
  ["express", "node", ["server.mjs"]],
  ["fastapi", process.env.E2E_PYTHON, ["server.py"]],
  ["plain", process.env.E2E_PLAIN_BACKEND, []],
];
const ROOMKEY_SIGNING = `whsec_${Buffer.from(newSecret()).toString("base64")}`;
const files = tempDir(), secretFile = path.join(files, "signing.secret");
fs.writeFileSync(secretFile, `${ROOMKEY_SIGNING}\n`, { mode: 0o600 });

/** Waits until something answers there, whatever it is. */
async function listens(p, port) {
  for (const end = Date.now() + 15_000; ; await sleep(25)) {
    if (p.code !== undefined) throw new Error(`ended with ${p.code}: ${p.stderr.trim()}`);
    if (await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(1000) }).then(() => true, () => false)) return p;
    if (Date.now() > end) throw new Error(`nothing answers on ${port}: ${p.stderr.trim()}`);
  }
}

/** The configuration that their README shows. */
const [, shown] = /^```toml\n(.*?)^```/ms.exec(fs.readFileSync(path.join(folder, "README.md"), "utf8"));
const tables = (base) => `${shown.replaceAll("http://127.0.0.1:3000", base)}
[liveblocks]
signing_secret = "${newSecret()}"
`;

for (const [name, command, args] of backends) {
  const start = (env) => launch(command, args, { cwd: path.join(folder, name), env });
  await check(`${name}: without a secret it does not start, and says why`, async () => {
    const p = start({ PORT: String(await freePort()) });
    await Promise.race([p.ended, sleep(10_000)]);
    return (p.code !== undefined && p.code !== 0 && p.stderr.includes("ROOMKEY_SIGNING")) || { code: p.code, stderr: p.stderr };
  });
  const port = await freePort(), base = `http://127.0.0.1:${port}`;
  const backend = await need(`${name}: it starts`, () => listens(start({ ROOMKEY_SIGNING, PORT: String(port) }), port));

  // the kit
  for (const [form, more] of [["authorizer", ["--user", "alice"]], ["session", ["--session", "--user", "session=alices-session"]]]) {
    const url = `${base}/internal/${form === "session" ? "session" : "roomkey"}`;
    await check(`${name}: \`roomkey conformance\` finds nothing wrong with the ${form} form`, async () => {
      const { code, stdout, stderr } = await run(["conformance", "--url", url, "--signing-secret-file", secretFile, ...more, "--room", "standup"]);
      const counts = /^(\d+) passed, 0 failed, 0 warned$/m.exec(stdout);
      return (code === 0 && Number(counts?.[1]) >= 16 && !stdout.includes("alices-session")) || `${code}\n${stdout}${stderr}`;
    });
    await check(`${name}: and refuses another secret there`, async () => {
      const other = path.join(files, "other.secret");
      fs.writeFileSync(other, `whsec_${Buffer.from(newSecret()).toString("base64")}`);
      const { code, stdout } = await run(["conformance", "--url", url, "--signing-secret-file", other, ...more, "--room", "standup"]);
      return (code === 1 && /^FAIL {2}someone who may enter is let in: answered 401/m.test(stdout)) || `${code}\n${stdout}`;
    });
  }

  // Roomkey between it and LiveKit
  const secret = newSecret();
  const service = await need(`${name}: roomkey serve starts`, () => serve({ config: configWith(secret, { tables: tables(base) }), env: { ROOMKEY_SIGNING } }));
  const session = (id) => ({ cookie: `theme=dark; session=${id}` });
  const user = (sub) => bearer(appJwt(secret, { sub, name: sub }));
  const ask = async (headers, room_name = "standup") => {
    const { status, text } = await post(service.endpoint, headers, JSON.stringify({ room_name }));
    return { status, ...JSON.parse(text) };
  };
  for (const [what, headers, identity, called, rights, admin] of [
    ["alice's session", session("alices-session"), "alice", "Alice", { canPublish: true, canPublishData: true, canSubscribe: true }, true],
    ["bob's session", session("bobs-session"), "bob", "Bob", { canPublish: false, canPublishData: false, canSubscribe: true }, undefined],
    ["alice's JWT", user("alice"), "alice", "alice", { canPublish: true, canPublishData: true, canSubscribe: true }, true],
    ["bob's JWT", user("bob"), "bob", "bob", { canPublish: false, canPublishData: false, canSubscribe: true }, undefined],
  ]) await check(`${name}: with ${what} one joins as ${admin ? "host" : "viewer"}`, async () => {
    const answer = await ask(headers);
    if (answer.status !== 201) return answer;
    const p = await join(answer.server_url, answer.participant_token);
    const got = { identity: p.me.identity, name: p.me.name, room: p.room.name, rights: permissionOf(p), admin: claimsOf(answer.participant_token).video.roomAdmin };
    await p.room.disconnect();
    return holds(got, { identity, name: called, room: "standup", rights, admin });
  });
  for (const [what, headers, status, code, room] of [
    ["carol, who is no member, by her session", session("carols-session"), 403, "forbidden"],
    ["carol by her JWT", user("carol"), 403, "forbidden"],
    ["alice in another room, by her session", session("alices-session"), 403, "forbidden", "elsewhere"],
    ["alice in another room, by her JWT", user("alice"), 403, "forbidden", "elsewhere"],
    ["someone the app does not know, by JWT", user("mallory"), 403, "forbidden"],
    ["a session the app does not know", session("mallorys-session"), 401, "unauthenticated"],
  ]) await check(`${name}: ${what}: ${status}`, async () => {
    const answer = await ask(headers, room);
    return (answer.status === status && answer.code === code && (status !== 403 || Boolean(answer.reason)) && !answer.participant_token) || answer;
  });
  for (const [what, headers] of [["session", session("alices-session")], ["JWT", user("alice")]])
    for (const [where, body, scope] of [["her document", { room: "standup" }, "room:write"], ["her inbox", {}, "room:read"]])
      await check(`${name}: alice's ${what} opens ${where} in Liveblocks`, async () => {
        const { status, text } = await post(`${service.base}/api/liveblocks-auth`, headers, JSON.stringify(body));
        if (status !== 200) return { status, text };
        const { uid, perms } = claimsOf(JSON.parse(text).token);
        return (uid === "alice" && Object.keys(perms).join() === "standup" && perms.standup.includes(scope)) || { uid, perms };
      });
  backend.child.kill("SIGKILL");
  await backend.ended;
  for (const [what, headers] of [["session", session("alices-session")], ["JWT", user("alice")]])
    await check(`${name}: when it is gone, alice's ${what} gets her 503`, async () => {
      const answer = await ask(headers);
      return (answer.status === 503 && answer.code === "authorizer_unavailable" && !answer.participant_token) || answer;
    });
  await check(`${name}: and the secret is in no log`, async () => {
    const { stdout, stderr } = await service.stop();
    return !`${stdout}${stderr}${backend.stdout}${backend.stderr}`.includes(ROOMKEY_SIGNING);
  });
}
done();

// Rows of the app's own database: alice's row is her right in the room, and what the app changes counts for the next token.
import fs from "node:fs";
import path from "node:path";
import { claimsOf, join, permissionOf, post, publish } from "./livekit/lib.mjs";
import { appJwt, bearer, check, configWith, done, need, newSecret, run, serve, tempDir } from "./support.mjs";

const QUERY = "select role, name, ttl from members where user_id = :user and room = :room and :provider = 'livekit'";
const TABLE = "create table members (user_id text, room text, role text, name text, ttl text)";

/** Runs SQL in that database; fails with what it said. */
async function execute(command, args, env = {}) {
  const { code, stderr } = await run(args, { command, env });
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr}`);
}

const file = path.join(tempDir(), "app.db");
const python = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
const databases = [{ what: "SQLite", url: `sqlite:${file}`, sql: (text) => execute("python3", ["-c", python, file, text]), clean: () => fs.rmSync(file) }];

const { ROOMKEY_TEST_POSTGRES: direct, ROOMKEY_TEST_PGBOUNCER: pooled } = process.env;
if (direct && pooled) {
  const sql = (text) => execute("psql", [direct, "-q", "-v", "ON_ERROR_STOP=1", "-c", text]);
  databases.push({ what: "PostgreSQL", url: pooled, sql, clean: () => sql("drop table if exists members") });
} else console.log("SKIPPED: PostgreSQL. ROOMKEY_TEST_POSTGRES and ROOMKEY_TEST_PGBOUNCER name no servers; see tests/postgres.sh");

for (const { what, url, sql, clean } of databases) {
  const secret = newSecret(), room = `standup-${what}-${Date.now()}`;
  if (what === "PostgreSQL") await clean();
  await sql(`${TABLE}; insert into members values ('alice', '${room}', 'speaker', 'Alice A.', '5m'), ('carol', '${room}', null, null, null)`);
  const config = configWith(secret, {
    tables: `
[[authorize]]
kind = "sql"
url_env = "DATABASE_URL"
query = """${QUERY}"""
timeout = "5s"
[roles.speaker.livekit]
can_publish = true
can_publish_sources = ["microphone"]
can_subscribe = true
`,
  });
  const service = await need(`${what}: roomkey serve starts on it`, () => serve({ config, env: { DATABASE_URL: url } }));
  const ask = (sub, room_name = room) =>
    post(service.endpoint, bearer(appJwt(secret, { sub })), JSON.stringify({ room_name })).then(({ status, text }) => ({ status, ...JSON.parse(text) }));
  /** What alice may do in the room with the token that she gets now. */
  const joined = async () => {
    const { status, server_url, participant_token, ...rest } = await ask("alice");
    if (status !== 201) throw new Error(JSON.stringify({ status, ...rest }));
    const p = await join(server_url, participant_token);
    const { canPublish, canPublishSources, canSubscribe, canPublishData } = permissionOf(p);
    const { exp, nbf, video } = claimsOf(participant_token);
    const got = {
      identity: p.me.identity, name: p.me.name, room: p.room.name, canPublish, canPublishSources, canSubscribe, canPublishData,
      admin: video.roomAdmin ?? false, ttl: exp - nbf, speaks: await publish(p, "microphone"),
    };
    await p.room.disconnect();
    return got;
  };
  const same = (got, expected) => JSON.stringify(got) === JSON.stringify(expected) || { got, expected };

  await check(`${what}: alice joins with the rights, the name and the life of her row`, async () =>
    same(await joined(), {
      identity: "alice", name: "Alice A.", room, canPublish: true, canPublishSources: ["microphone"], canSubscribe: true, canPublishData: false,
      admin: false, ttl: 300, speaks: true,
    }));
  for (const [who, where] of [["bob"], ["carol"], ["alice", "elsewhere"], ["' or 1=1 --"], ["alice", "' or 1=1 --"]])
    await check(`${what}: ${who} is told 403 in ${where ?? "the room"}`, async () => { const got = await ask(who, where); return got.status === 403 || got; });
  await check(`${what}: her row is changed, and so are the rights of her next token`, async () => {
    await sql("update members set role = 'viewer', name = null, ttl = null where user_id = 'alice'");
    return same(await joined(), {
      identity: "alice", name: "", room, canPublish: false, canPublishSources: [], canSubscribe: true, canPublishData: false, admin: false, ttl: 600, speaks: false,
    });
  });
  await check(`${what}: her row is deleted, and she is told 403`, async () => {
    await sql("delete from members where user_id = 'alice'");
    const got = await ask("alice");
    return got.status === 403 || got;
  });
  await check(`${what}: the table is gone, and she is told 503 and no more`, async () => {
    await sql("drop table members");
    const got = await ask("alice");
    return (got.status === 503 && got.code === "authorizer_unavailable" && !JSON.stringify(got).includes("members")) || got;
  });
  await clean();
  await check(`${what}: nothing of the database's password is in the log`, async () => {
    await service.stop();
    const password = /:([^:@/]+)@/.exec(url)?.[1];
    return !password || !(service.stdout + service.stderr).includes(password);
  });
}
done();

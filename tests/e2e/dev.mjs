// `roomkey dev`, as someone meets it first: the lines it prints work as pasted, and the whole story of e2e.mjs holds with its two users.
import http from "node:http";
import path from "node:path";
import { post, until, URL_WS } from "./livekit/lib.mjs";
import { add, answers, BIN, check, dev, done, freePort, HERE, launch, need, run } from "./support.mjs";

const service = await need("roomkey dev starts and says who ALICE and BOB are", dev);

await check("nothing is given to nobody", async () => {
  const { status, headers } = await post(service.endpoint, {}, '{"room_name":"standup"}');
  return (status === 401 && headers.get("www-authenticate")?.startsWith("Bearer")) || status;
});

// Its Liveblocks commands need Liveblocks' dev server; where none runs, something that answers as that does will do.
const liveblocks = http.createServer((req, res) => {
  const good = req.url === "/v2/authorize-user" && req.method === "POST" && req.headers.authorization === "Bearer sk_localdev";
  res.writeHead(good ? 200 : 403, { "content-type": "application/json" }).end(good ? '{"token":"a.token.of-liveblocks"}' : '{"error":"forbidden"}');
}).on("error", () => {});
liveblocks.listen(1153, "127.0.0.1");
const curls = curlCommands(service.stdout);
await check("it prints curl commands with the address it listens on", () =>
  (curls.length > 0 && curls.every((line) => line.includes(`127.0.0.1:${service.port}`))) || service.stdout);
for (const line of curls) await check(`works as pasted: ${line.split(" ").slice(0, 4).join(" ")} …`, async () => {
  const { code, stdout, stderr } = await run(["-c", `ALICE='${service.alice.token}' BOB='${service.bob.token}'\n${line}`], { command: "sh" });
  const answer = JSON.parse(stdout.slice(stdout.indexOf("{")));
  const good = code === 0 && (answer.participant_token ?? answer.token);
  return Boolean(good) || { code, stdout, stderr };
});

for (const address of ["0.0.0.0", "[::]", "192.0.2.1"]) await check(`it refuses to listen on ${address}`, async () => {
  const { code, stderr } = await run(["dev", "--listen", `${address}:${await freePort()}`], { timeout: 5000 });
  return ((code === 1 || code === 2) && stderr !== "") || { code, stderr };
});

await check("asked for any port, it names the one it got", async () => {
  const p = launch(BIN, ["dev", "--listen", "127.0.0.1:0"]);
  const port = await until(() => /^curl .*127\.0\.0\.1:(\d+)\//m.exec(p.stdout)?.[1], 5000);
  await answers(p, `http://127.0.0.1:${port}/healthz`);
  await p.stop();
  return port !== "0" || p.stdout;
});
await check("two of them share no secret: the other's ALICE is nobody here", async () => {
  const other = await dev();
  const { status } = await post(service.endpoint, other.alice.headers, '{"room_name":"standup"}');
  await other.stop();
  return status === 401 || status;
});

// the whole story, by the script that works against any token endpoint
const env = {
  TOKEN_ENDPOINT: service.endpoint, LIVEKIT_URL: URL_WS, LK_WINDOW: process.env.LK_WINDOW ?? "1000",
  ALICE: `Authorization: Bearer ${service.alice.token}`, BOB: `Authorization: Bearer ${service.bob.token}`,
};
const story = await run([path.join(HERE, "livekit/e2e.mjs")], { command: process.execPath, env, timeout: 120_000 });
console.log(story.stdout.trimEnd().split("\n").slice(0, -1).join("\n"));
const count = (word) => (story.stdout.match(new RegExp(`^${word} +- `, "gm")) ?? []).length;
add({ passed: count("ok"), failed: count("FAIL") });
await check("e2e.mjs came to its end", () => story.code === 0 || { code: story.code, stderr: story.stderr.slice(-2000) });

await check("it ends with 0 when told to", async () => (await service.stop()).code === 0 || { code: service.code, stderr: service.stderr });
done();

/** The lines that begin with curl, each with the lines it goes on over. */
function curlCommands(text) {
  return [...text.matchAll(/^[ \t]*(?:\$ )?(curl (?:.*\\\n)*.*)$/gm)].map(([, line]) => line);
}

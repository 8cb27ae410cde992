// The official SDKs as oracles: what Roomkey mints for each case of the recorded tokens, and for its built-in roles, is accepted by
// the Node and the Python TokenVerifier and means to them what was asked; what must not be minted is not.
// Env: E2E_PYTHON  a python with livekit-api (run.sh makes one)
import fs from "node:fs";
import path from "node:path";
import { claimsOf } from "./livekit/lib.mjs";
import { check, done, E2E, HERE, holds, mint, newSecret, run, VECTORS, verifier } from "./support.mjs";

const { cases } = JSON.parse(fs.readFileSync(path.join(VECTORS, "livekit-tokens.json")));
const refusals = {
  ttl_zero: "no token is forever or already over",
  join_empty_room: "the room is never empty",
  unknown_publish_source: "LiveKit would match it with nothing, silently",
  sha256_webhook_style: "sha256 is for LiveKit's own webhooks",
  room_config_egress_with_s3_secret: "anyone who holds the token could read the credentials",
};

const PLAIN = ["roomCreate", "roomList", "roomRecord", "roomAdmin", "roomJoin", "ingressAdmin", "hidden", "recorder", "agent",
  "canUpdateOwnMetadata", "canSubscribeMetrics", "canManageAgentSession"];
/** What flags come to: as LiveKit reads a token (what is missing may be on), or as an operator means it (what is missing is off). */
function meaning(video = {}, missing) {
  const canPublish = video.canPublish ?? missing;
  const flags = Object.fromEntries(PLAIN.map((flag) => [flag, video[flag] ?? false]));
  const can = { canPublish, canSubscribe: video.canSubscribe ?? missing, canPublishData: video.canPublishData ?? (missing && canPublish) };
  const sources = canPublish ? (video.canPublishSources ?? []) : [];
  return { ...flags, ...can, sources, room: video.room || "", destinationRoom: video.destinationRoom || "" };
}
const defined = (object) => Object.fromEntries(Object.entries(object ?? {}).filter(([, value]) => value !== undefined && value !== ""));

function argsOf({ inputs, ttl }) {
  const { identity, display_name, metadata, attributes, video, sip, room_config, sha256 } = inputs;
  const args = ["--ttl", `${ttl}s`];
  if (identity) args.push("--identity", identity);
  if (video?.room !== undefined) args.push("--room", video.room);
  if (display_name) args.push("--name", display_name);
  if (metadata) args.push("--metadata", metadata);
  for (const [key, value] of Object.entries(attributes ?? {})) args.push("--attribute", `${key}=${value}`);
  const { room, ...flags } = video ?? {};
  args.push("--grants", JSON.stringify({ video: video && flags, sip, roomConfig: room_config, sha256 }));
  return args;
}

/** Both official verifiers' claims of a token; an error if either says no. */
async function official(token, { key, secret }) {
  const claims = await verifier({ key, secret }).verify(token);
  const [python] = await askPython([{ key, secret, token }]);
  if (python.error) throw new Error(`Python: ${python.error}`);
  return { node: claims, python: python.claims };
}
async function askPython(asked) {
  const input = asked.map((line) => JSON.stringify(line)).join("\n");
  const p = await run([path.join(HERE, "verify.py")], { command: process.env.E2E_PYTHON ?? "python3", input });
  if (p.code !== 0) throw new Error(`verify.py: ${p.stderr}`);
  return p.stdout.trim().split("\n").map((line) => JSON.parse(line));
}

for (const it of cases) {
  const keys = { key: it.api_key, secret: it.api_secret }, { inputs } = it;
  if (refusals[it.name]) {
    await check(`${it.name} is not minted: ${refusals[it.name]}`, async () => {
      const result = await mint(argsOf(it), keys).then((token) => ({ token }), (e) => e);
      return ((result.code === 1 || result.code === 2) && result.stdout === "" && !result.stderr.includes("SECRET")) || result.message || result;
    });
    continue;
  }
  await check(`${it.name}: both SDKs accept it, and it means what was asked`, async () => {
    const token = await mint(argsOf(it), keys), { node, python } = await official(token, keys);
    const { iss, sub, nbf, exp } = claimsOf(token);
    if (iss !== it.api_key || (sub ?? "") !== (inputs.identity ?? "") || exp - nbf !== it.ttl) return { iss, sub, nbf, exp };
    const expected = {
      name: inputs.display_name ?? "", metadata: inputs.metadata ?? "", attributes: defined(inputs.attributes),
      sip: { admin: false, call: false, ...inputs.sip },
    };
    for (const [who, claims] of Object.entries({ node, python })) {
      if (who === "python" && (claims.identity ?? "") !== (inputs.identity ?? "")) return { who, claims };
      const got = {
        name: claims.name ?? "", metadata: claims.metadata ?? "", attributes: defined(claims.attributes),
        sip: { admin: false, call: false, ...claims.sip },
      };
      for (const [a, b] of [[got, expected], [expected, got]]) {
        const same = holds(a, b);
        if (same !== true) return { who, ...same };
      }
      const [read, meant] = [meaning(claims.video, true), meaning(inputs.video, false)];
      if (inputs.video && holds(read, meant) !== true) return { who, ...holds(read, meant) };
      if (inputs.room_config) {
        const same = holds(claims.roomConfig, inputs.room_config);
        if (same !== true) return { who, ...same };
      } else if (claims.roomConfig && Object.keys(claims.roomConfig).length) return { who, roomConfig: claims.roomConfig };
    }
    return true;
  });
}

const roles = {
  viewer: { canPublish: false, canSubscribe: true, canPublishData: false, roomAdmin: false },
  participant: { canPublish: true, canSubscribe: true, canPublishData: true, roomAdmin: false },
  host: { canPublish: true, canSubscribe: true, canPublishData: true, roomAdmin: true },
};
for (const [role, flags] of Object.entries(roles)) await check(`--role ${role}: both SDKs accept it, with that role's rights and no other`, async () => {
  const token = await mint(["--identity", "alice", "--room", "standup", "--role", role]);
  const { node, python } = await official(token, E2E);
  const expected = meaning({ roomJoin: true, room: "standup", ...flags }, false);
  for (const [who, { video }] of Object.entries({ node, python })) {
    const same = holds(meaning(video, true), expected);
    if (same !== true) return { who, ...same };
  }
  return (node.sub === "alice" && python.identity === "alice") || { node, python };
});

for (const [ttl, seconds] of Object.entries({ "1s": 1, "90s": 90, "5m": 300, "2h": 7200, "24h": 86400 })) await check(`--ttl ${ttl} is ${seconds} s from now`, async () => {
  const before = Math.floor(Date.now() / 1000);
  const { nbf, exp } = claimsOf(await mint(["--identity", "alice", "--room", "standup", "--role", "viewer", "--ttl", ttl]));
  return (exp - nbf === seconds && nbf >= before && nbf <= Date.now() / 1000) || { before, nbf, exp };
});

await check("(control: with another secret or key, both say no)", async () => {
  const token = await mint(["--identity", "alice", "--room", "standup", "--role", "viewer"]);
  const wrong = [{ key: E2E.key, secret: newSecret() }, { key: "other", secret: E2E.secret }];
  const python = await askPython(wrong.map((keys) => ({ ...keys, token })));
  const node = await Promise.all(wrong.map((keys) => verifier(keys).verify(token).then(() => "accepted", () => "no")));
  return (python.every(({ error }) => error) && node.every((said) => said === "no")) || { python, node };
});

done();

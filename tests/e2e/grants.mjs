// Every grant of a role, by doing, on the real server: what it unlocks works with it alone, and nothing else does; and with
// every grant but it, that alone is refused. Then what only an operator's `mint --grants` can leave out or set.
import { claimsOf, post, validate } from "./livekit/lib.mjs";
import { rightsOf, upgrade } from "./livekit/rights.mjs";
import { appJwt, bearer, check, configWith, done, E2E, mint, need, newSecret, serve } from "./support.mjs";

/** What whoever is in a room can do in any case. There is no grant against reading data. */
const always = ["join", "be_seen", "receive_data"];
const unlocks = {
  can_publish: ["publish_camera", "publish_microphone", "publish_screen_share", "publish_screen_share_audio", "be_heard"],
  can_subscribe: ["subscribe"],
  can_publish_data: ["publish_data"],
  can_update_own_metadata: ["update_own_metadata", "update_own_name", "update_own_attributes"],
  room_admin: [
    "list_participants", "update_participant", "mute_participant", "update_room_metadata", "send_data_as_server", "dispatch_agent",
    "remove_participant", "change_own_permission",
  ],
  room_record: ["start_egress"],
  ingress_admin: ["create_ingress"],
  room_create: ["create_room", "delete_other_room"],
  room_list: ["list_rooms"],
  agent: ["work_as_agent"],
  "sip.admin": ["list_sip_trunks"],
  "sip.call": ["call_by_sip"],
};
const grants = Object.keys(unlocks);

const roles = {};
for (const grant of grants) {
  const id = grant.replace(".", "_");
  roles[`only_${id}`] = { grants: [grant], settings: `${grant} = true` };
  const others = grants.filter((other) => other !== grant);
  roles[`all_but_${id}`] = { grants: others, settings: others.map((other) => `${other} = true`).join("\n") };
}
roles.nothing = { grants: [], settings: "" };
roles.microphone_only = { rights: ["publish_microphone", "be_heard"], grants: [], settings: 'can_publish = true\ncan_publish_sources = ["microphone"]' };
roles.no_sources = { grants: [], settings: "can_publish = true\ncan_publish_sources = []" };

const secret = newSecret();
const service = await need("roomkey serve starts with a role for each grant", () => serve({
  config: configWith(secret, {
    tables: [
      '[[authorize]]\nkind = "rules"',
      ...Object.keys(roles).map((role) => `[[authorize.rules]]\nroom = "${role}:*"\nrole = "${role}"`),
      ...Object.entries(roles).map(([role, { settings }]) => `[roles.${role}.livekit]\n${settings}`),
    ].join("\n"),
  }),
}));
const headers = bearer(appJwt(secret, { sub: "alice" }));

async function tokenOf(role) {
  const { status, text } = await post(service.endpoint, headers, JSON.stringify({ room_name: `${role}:${Date.now()}` }));
  if (status !== 201) throw new Error(`${status} ${text}`);
  return JSON.parse(text).participant_token;
}

for (const [role, { grants, rights: more = [] }] of Object.entries(roles)) await check(`${role} has exactly its rights`, async () => {
  const token = await tokenOf(role), rights = await rightsOf(token);
  const expected = new Set([...always, ...more, ...grants.flatMap((grant) => unlocks[grant])]);
  const wrong = Object.entries(rights).filter(([right, has]) => has !== expected.has(right));
  return wrong.length === 0 || { wrong: Object.fromEntries(wrong), claims: claimsOf(token) };
});

await check("what a role leaves out is written as false where LiveKit would read it as true", async () => {
  const { video } = claimsOf(await tokenOf("nothing"));
  return ["canPublish", "canSubscribe", "canPublishData"].every((flag) => video[flag] === false) || video;
});

// an operator's tokens
const room = `mint-${Date.now()}`;
const verdict = async (grants, ...args) => (await validate(await mint([...args, "--grants", JSON.stringify(grants)]))).status;
const person = ["--identity", "alice", "--room", room];
await check("roomJoin: with it a minted token joins", async () => (await verdict({ video: { roomJoin: true } }, ...person)) === 200);
await check("roomJoin: without it, it does not", async () => {
  const status = await verdict({ video: { canPublish: true } }, ...person);
  return status === 401 || status;
});

const worker = async (grants) => upgrade(await mint(["--identity", "worker", "--grants", JSON.stringify(grants)]), E2E.url, "/agent");
await check("agent: a worker's minted token opens /agent", async () => {
  const status = await worker({ video: { agent: true }, kind: "agent" });
  return status === 101 || status;
});
await check("agent: without it /agent is refused, kind or not", async () => {
  const status = await worker({ video: { roomList: true }, kind: "agent" });
  return status === 401 || status;
});
await check("agent: neither identity nor room is needed", async () => {
  const status = await upgrade(await mint(["--grants", '{"video":{"agent":true}}']), E2E.url, "/agent");
  return status === 101 || status;
});
await check("a participant's role does not open it", async () => (await upgrade(await tokenOf("all_but_agent"), E2E.url, "/agent")) === 401);

done();

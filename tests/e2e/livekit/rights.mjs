#!/usr/bin/env node
// Which rights does a token really have? Tries each on the real server.
//   node rights.mjs --token JWT [--url WS]
//   node rights.mjs TOKEN_ENDPOINT ROOM [--header 'Name: value']... [--body JSON]
// Env: LIVEKIT_API_KEY, LIVEKIT_API_SECRET (default devkey, secret) for the counterpart, which may do everything.
// Prints one JSON object: right → true or false. Exit 0, 1 no token, 64 usage. DEBUG=1 shows the server's answers to API calls.
// Leaves the token's room empty: run it on a room of its own.
import http from "node:http";
import { admin, call, claimsOf, isAudio, join, names, officialToken, parseArgs, permissionOf, publish, tokenFromArgs, until, URL_WS } from "./lib.mjs";

/** Every right of `token`, by trying. */
export async function rightsOf(token, url = URL_WS) {
  const { video = {} } = claimsOf(token);
  const room = video.room || `rights-${Date.now()}`, other = `${room}-other-${Date.now()}`;
  const api = admin(url);
  await api.createRoom({ name: room });
  await api.createRoom({ name: other });
  const full = { roomJoin: true, room, canPublish: true, canSubscribe: true, canPublishData: true };
  const newHelper = async () => join(url, await officialToken("rights-helper", full));

  const rights = await asParticipant(token, url, room, newHelper);
  const helper = await newHelper();
  await publish(helper, "microphone");
  const [track_sid] = await until(() => tracksOf(helper));
  Object.assign(rights, await asApiClient(token, url, { room, other, track_sid, to: video.destinationRoom ?? other }));
  await helper.room.disconnect();
  for (const name of [room, other]) await api.deleteRoom(name).catch(() => {});
  return rights;
}

const tracksOf = ({ me }) => (me.trackPublications.size ? [...me.trackPublications.keys()] : undefined);

async function asParticipant(token, url, room, newHelper) {
  const none = Object.fromEntries([
    "join", "be_seen", "be_heard", "subscribe", "receive_data", "publish_data", ...Object.keys(names).map((source) => `publish_${source}`),
    "update_own_metadata", "update_own_name", "update_own_attributes", "change_own_permission",
  ].map((right) => [right, false]));
  let p;
  try { p = await join(url, token); } catch (e) { if (e.refused) return none; throw e; }

  const { identity } = p.me;
  // joins second, and so is told at once who is there: later arrivals that publish nothing are announced every 3 s
  const helper = await newHelper();
  const stored = (test) => until(async () => test(await admin(url).getParticipant(room, identity)));
  const send = (from, text) => from.me.publishData(Buffer.from(text), { reliable: true });
  await publish(helper, "microphone");
  await Promise.all([send(p, "to helper"), send(helper, "to subject")]);
  await Promise.all([p.me.updateMetadata("mine"), p.me.updateName("mine"), p.me.setAttributes({ mine: "yes" })]);
  const [be_seen, subscribe, receive_data, publish_data, update_own_metadata, update_own_name, update_own_attributes] = await Promise.all([
    helper.room.remoteParticipants.has(identity),
    until(() => p.heard.has("rights-helper")),
    until(() => p.data.some(({ text }) => text === "to subject")),
    until(() => helper.data.some(({ text }) => text === "to helper")),
    stored((me) => me.metadata === "mine"),
    stored((me) => me.name === "mine"),
    stored((me) => me.attributes.mine === "yes"),
  ]);

  const published = { be_heard: false };
  for (const source of Object.keys(names)) {
    p ??= await join(url, token);
    const taken = (published[`publish_${source}`] = await publish(p, source));
    if (taken && isAudio(source)) published.be_heard ||= await until(() => helper.heard.has(identity));
    if (!taken) { await p.room.disconnect(); p = undefined; }
  }

  p ??= await join(url, token);
  const before = permissionOf(p).canSubscribeMetrics;
  const permission = { can_publish: true, can_publish_data: true, can_subscribe: true, can_subscribe_metrics: !before };
  await call(token, "RoomService/UpdateParticipant", { room, identity, permission }, url);
  const change_own_permission = await until(() => permissionOf(p).canSubscribeMetrics !== before);
  await p.room.disconnect();
  await helper.room.disconnect();
  return {
    ...none, join: true, be_seen, subscribe, receive_data, publish_data, ...published,
    update_own_metadata, update_own_name, update_own_attributes, change_own_permission,
  };
}

/** The verdict alone: 401 is no, everything else (no such participant, no egress service) is yes. */
async function asApiClient(token, url, { room, other, track_sid, to }) {
  const identity = "rights-helper";
  const calls = {
    list_rooms: ["RoomService/ListRooms", {}],
    create_room: ["RoomService/CreateRoom", { name: other }],
    list_participants: ["RoomService/ListParticipants", { room }],
    list_participants_of_other_room: ["RoomService/ListParticipants", { room: other }],
    update_participant: ["RoomService/UpdateParticipant", { room, identity, metadata: "changed" }],
    update_participant_in_other_room: ["RoomService/UpdateParticipant", { room: other, identity, metadata: "changed" }],
    mute_participant: ["RoomService/MutePublishedTrack", { room, identity, track_sid, muted: true }],
    update_room_metadata: ["RoomService/UpdateRoomMetadata", { room, metadata: "changed" }],
    send_data_as_server: ["RoomService/SendData", { room, data: "aGk=", kind: "RELIABLE" }],
    dispatch_agent: ["AgentDispatchService/CreateDispatch", { room, agent_name: "rights-agent" }],
    move_participant: ["RoomService/MoveParticipant", { room, identity, destination_room: to }],
    remove_participant: ["RoomService/RemoveParticipant", { room, identity }],
    delete_other_room: ["RoomService/DeleteRoom", { room: other }],
    // no such room: without an egress service a real one keeps the caller waiting 23 s
    start_egress: ["Egress/StartRoomCompositeEgress", { room_name: `${other}-none` }],
    create_ingress: ["Ingress/CreateIngress", { room_name: other }],
    list_sip_trunks: ["SIP/ListSIPInboundTrunk", {}],
    call_by_sip: ["SIP/CreateSIPParticipant", { room_name: other }],
  };
  const rights = {};
  for (const [right, [method, body]] of Object.entries(calls)) {
    const { status, text } = await call(token, method, body, url);
    if (process.env.DEBUG) console.error(right, status, text);
    rights[right] = status !== 401;
  }
  rights.work_as_agent = (await upgrade(token, url, "/agent")) !== 401;
  return rights;
}

/** The status that a websocket handshake with that token gets: 101 is open. */
export function upgrade(token, url, path) {
  const headers = {
    authorization: `Bearer ${token}`, connection: "Upgrade", upgrade: "websocket",
    "sec-websocket-version": "13", "sec-websocket-key": Buffer.alloc(16).toString("base64"),
  };
  return new Promise((resolve, reject) => {
    const req = http.get(url.replace(/^ws/, "http") + path, { headers }, (res) => resolve(res.statusCode));
    req.on("upgrade", (res, socket) => { socket.destroy(); resolve(res.statusCode); });
    req.on("error", reject);
  });
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const args = parseArgs(process.argv.slice(2));
  if (!args) {
    console.error("usage: rights.mjs --token JWT [--url WS] | TOKEN_ENDPOINT ROOM [--header 'N: v'] [--body JSON]");
    process.exit(64);
  }
  let got;
  try { got = await tokenFromArgs(args); } catch (e) { console.error(e.message); process.exit(1); }
  console.log(JSON.stringify(await rightsOf(got.token, got.url), null, 2));
  process.exit(0);
}

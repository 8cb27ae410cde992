// Shared by the scripts here: a token as a client gets it, a participant on the real server, and what that participant notices.
import crypto from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { TokenSource } from "livekit-client";
import { AccessToken, AgentDispatchClient, RoomServiceClient, TokenVerifier } from "livekit-server-sdk";

// rtc-node logs to the stdout it finds when it loads, and only NODE_ENV makes it terse: keep stdout for our output
process.env.NODE_ENV ??= "production";
Object.defineProperty(process.stdout, "fd", { value: 2 });
const {
  AudioFrame, AudioSource, AudioStream, DisconnectReason, LocalAudioTrack, LocalVideoTrack, Room, RoomEvent, TrackKind,
  TrackPublishOptions, TrackSource, VideoSource,
} = await import("@livekit/rtc-node");
Object.defineProperty(process.stdout, "fd", { value: 1 });

export const URL_WS = process.env.LIVEKIT_URL ?? "ws://127.0.0.1:7880";
export const KEY = process.env.LIVEKIT_API_KEY ?? "devkey";
export const SECRET = process.env.LIVEKIT_API_SECRET ?? "secret";
/** How long something must not happen to count as refused. What is allowed takes 2 to 50 ms on loopback. */
export const WINDOW = Number(process.env.LK_WINDOW ?? 1000);
export { sleep, TokenSource, TokenVerifier };

const http = (url) => url.replace(/^ws/, "http");
export const admin = (url = URL_WS) => new RoomServiceClient(http(url), KEY, SECRET);
export const dispatches = (url = URL_WS) => new AgentDispatchClient(http(url), KEY, SECRET);

// ---- tokens

export const claimsOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

/** HS256 over any claims, for tokens that no SDK would sign. */
export function sign(claims, secret = SECRET) {
  const part = (x) => Buffer.from(JSON.stringify(x)).toString("base64url");
  const body = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${body}.${crypto.createHmac("sha256", secret).update(body).digest("base64url")}`;
}

/** A token by the official SDK. */
export function officialToken(identity, video, { sip, kind, ...options } = {}) {
  const token = new AccessToken(KEY, SECRET, { identity, ttl: "10m", ...options });
  token.addGrant(video);
  if (sip) token.addSIPGrant(sip);
  if (kind) token.kind = kind;
  return token.toJwt();
}

/** Asks a token endpoint with livekit-client's TokenSource; with `body`, sends exactly that body instead. */
export async function askEndpoint(endpoint, { headers = {}, body, ...options }) {
  const got = await (body === undefined
    ? TokenSource.endpoint(endpoint, { headers }).fetch(options)
    : post(endpoint, headers, body).then(({ status, text }) => {
        if (status >= 300) throw new Error(`received ${status} / ${text}`);
        const answer = JSON.parse(text);
        return { serverUrl: answer.server_url ?? answer.url, participantToken: answer.participant_token ?? answer.token };
      }));
  const { serverUrl: url, participantToken: token } = got;
  if (!url || !token) throw new Error("the answer lacks the token or the server's URL"); // TokenSource lets that pass
  return { url, token };
}

export async function post(endpoint, headers, body) {
  const res = await fetch(endpoint, { method: "POST", headers: { "content-type": "application/json", ...headers }, body });
  return { status: res.status, headers: res.headers, text: await res.text() };
}

// ---- a participant

/** Joins; throws an error with `refused` true (the server said no) or false (no connection, or none in time). */
export async function join(url, token, timeout = 8000) {
  const room = new Room();
  const p = { room, data: [], heard: new Set(), left: undefined };
  room.on(RoomEvent.DataReceived, (bytes, from) => p.data.push({ text: Buffer.from(bytes).toString(), from: from?.identity }));
  room.on(RoomEvent.TrackSubscribed, async (track, _, from) => (await isLoud(track)) && p.heard.add(from.identity));
  room.on(RoomEvent.Disconnected, (reason) => (p.left = DisconnectReason[reason]));
  const late = sleep(timeout).then(() => { throw new Error(`not connected within ${timeout} ms`); });
  try {
    await Promise.race([room.connect(url, token, { autoSubscribe: true, dynacast: false }), late]);
  } catch (e) {
    const message = e.message.replace(/eyJ[\w.-]+/g, "<token>"); // the server's 401 repeats the token
    throw Object.assign(new Error(message), { refused: /client error: 4\d\d/.test(message) });
  }
  p.me = room.localParticipant;
  return p;
}

export const names = { camera: "CAMERA", microphone: "MICROPHONE", screen_share: "SCREENSHARE", screen_share_audio: "SCREENSHARE_AUDIO" };

export const isAudio = (source) => source === "microphone" || source === "screen_share_audio";

/** The permission the server granted, as it told the participant. */
export function permissionOf(p) {
  const { canPublishSources, ...flags } = p.me.info.permission;
  const sources = Object.keys(names).filter((n) => canPublishSources.includes(TrackSource[`SOURCE_${names[n]}`]));
  return { ...flags, canPublishSources: sources };
}

/**
 * Publishes a track of that source (a tone, or video without pictures); true when the server took it.
 * rtc-node does not understand the server's refusal and waits 10 s, without events meanwhile: leave after a `false`.
 */
export async function publish(p, source) {
  const tone = isAudio(source);
  const from = tone ? new AudioSource(48000, 1) : new VideoSource(160, 120);
  const track = tone ? LocalAudioTrack.createAudioTrack(source, from) : LocalVideoTrack.createVideoTrack(source, from);
  const options = new TrackPublishOptions({ source: TrackSource[`SOURCE_${names[source]}`] });
  const taken = p.me.publishTrack(track, options).then(() => true, () => false);
  const ok = await Promise.race([taken, sleep(WINDOW, false)]);
  if (ok && tone) play(p, from).catch(() => {}); // ends with the room
  return ok;
}

async function play(p, source) {
  const frame = new AudioFrame(Int16Array.from({ length: 480 }, (_, i) => 8000 * Math.sin((i * 2 * Math.PI) / 48)), 48000, 1, 480);
  while (!p.left) await source.captureFrame(frame);
}

async function isLoud(track) {
  if (track.kind === TrackKind.KIND_AUDIO) for await (const { data } of new AudioStream(track)) if (data.some((x) => x > 1000)) return true;
  return false;
}

/** What `fn` gives as soon as it is truthy, else its last value after `ms`. */
export async function until(fn, ms = WINDOW) {
  for (const end = Date.now() + ms; ; await sleep(10)) {
    const value = await fn();
    if (value || Date.now() > end) return value;
  }
}

// ---- the server, without a participant

export async function validate(token, url = URL_WS) {
  const res = await fetch(`${http(url)}/rtc/validate?access_token=${encodeURIComponent(token)}`);
  return { status: res.status, text: (await res.text()).replace(/eyJ[\w.-]+/g, "<token>") };
}

/** Calls `livekit.{method}` with that very token. */
export async function call(token, method, body = {}, url = URL_WS) {
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const res = await fetch(`${http(url)}/twirp/livekit.${method}`, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: res.status, text: await res.text() };
}

// ---- command lines

/** `ENDPOINT ROOM [--header 'N: v']… [--body JSON]` or `--token JWT [--url WS]`; undefined if it is neither. */
export function parseArgs(argv) {
  const out = { headers: {}, positional: [] };
  for (const args = [...argv]; args.length; ) {
    const a = args.shift();
    if (!a.startsWith("--")) out.positional.push(a);
    else if (a === "--header") Object.assign(out.headers, header(args.shift()));
    else if (["--body", "--token", "--url", "--timeout"].includes(a)) out[a.slice(2)] = args.shift();
    else return undefined;
  }
  [out.endpoint, out.room] = out.positional;
  return out.token || (out.endpoint && out.room) ? out : undefined;
}

export function header(line) {
  const colon = line.indexOf(":");
  return { [line.slice(0, colon)]: line.slice(colon + 1).trim() };
}

export async function tokenFromArgs({ token, url, endpoint, room, headers, body }) {
  return token ? { token, url: url ?? URL_WS } : askEndpoint(endpoint, { headers, body, roomName: room });
}

// What Roomkey asks, answered with Express: may this user, or whoever has this session, enter that room?
// Env: ROOMKEY_SIGNING  whsec_…, the same as in roomkey.toml   PORT (3000)   HOST (127.0.0.1; Roomkey alone should reach it)
import express from "express";
import { Webhook } from "standardwebhooks";

const { ROOMKEY_SIGNING, PORT = "3000", HOST = "127.0.0.1" } = process.env;
if (!ROOMKEY_SIGNING?.startsWith("whsec_")) throw new Error("ROOMKEY_SIGNING is not set to a whsec_… secret");
const webhook = new Webhook(ROOMKEY_SIGNING);

// ---- where a real app asks its database

const users = new Map([["alice", { name: "Alice" }], ["bob", { name: "Bob" }], ["carol", { name: "Carol" }]]);
const sessions = new Map([["alices-session", "alice"], ["bobs-session", "bob"], ["carols-session", "carol"]]);
const members = new Map([["standup", new Map([["alice", "host"], ["bob", "viewer"]])]]);

/** The decision about a user whom the app knows or does not know. */
function decide(user, action, room) {
  const no = (reason) => ({ decision: false, context: { reason } });
  if (!users.has(user)) return no("no such user");
  if (action === "liveblocks.personal") { // one's own inbox: what happened in which rooms
    const rooms = [...members].filter(([, inside]) => inside.has(user)).map(([name]) => name);
    return rooms.length ? { decision: true, context: { role: "viewer", liveblocks: { rooms } } } : no("in no room");
  }
  if (action !== "livekit.join" && action !== "liveblocks.enter") return no("no such action");
  const role = members.get(room)?.get(user);
  return role ? { decision: true, context: { role } } : no("not a member of this room"); // nor told whether there is one
}

// ---- who asks

/** Ids of questions that were answered. Keep them where all processes see them if there are several. */
const seen = new Map();
function isNew(id) {
  const now = Date.now();
  for (const [old, until] of seen) if (until < now) seen.delete(old); else break; // the oldest come first
  return !seen.has(id) && Boolean(seen.set(id, now + 10 * 60_000)); // timestamps may be off by 5 minutes either way
}

/** Only Roomkey is answered: the signature is over the body as it came, so it is verified before anything is parsed. */
function verified(req, res, next) {
  try {
    webhook.verify(req.body ?? "", req.headers, { jsonParse: false });
  } catch {
    return res.status(401).end();
  }
  if (!isNew(req.headers["webhook-id"])) return res.status(401).end();
  try {
    const { subject, action, resource } = JSON.parse(req.body);
    req.question = { user: subject.id, action: action.name, room: resource.id };
  } catch {
    return res.status(400).end();
  }
  next();
}

const app = express();
app.use(express.raw({ type: "application/json", limit: "64kb" }));

// `kind = "callback"` under [[authorize]]: Roomkey knows who it is.
app.post("/internal/roomkey", verified, ({ question: { user, action, room } }, res) => {
  res.json(decide(user, action, room));
});

// `kind = "callback"` under [[authenticate]]: the user's cookie comes along, and we say whose it is.
app.post("/internal/session", verified, (req, res) => {
  const cookie = /(?:^|;\s*)session=([^;]*)/.exec(req.headers.cookie ?? "");
  const id = sessions.get(cookie?.[1]);
  if (!id) return res.status(401).end();
  const { decision, context } = decide(id, req.question.action, req.question.room);
  res.json({ decision, context: { ...context, subject: { id, name: users.get(id).name } } });
});

app.use((error, req, res, next) => res.status(error.status ?? 500).end()); // such as 413; its text is nobody's business
const server = app.listen(Number(PORT), HOST, (error) => {
  if (error) throw error;
  console.log(`listening on ${HOST}:${server.address().port}`);
});

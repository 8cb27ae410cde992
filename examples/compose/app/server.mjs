// A tiny app: its users log in, and whoever is logged in may talk in the rooms of their org.
// It knows nothing of LiveKit and Liveblocks: its page asks /livekit/token here, a Liveblocks client /api/liveblocks-auth, and
// both go to Roomkey with the user's cookie.
// Env: APP_SECRET  signs the sessions (Roomkey verifies them)   APP_ORIGIN  how browsers reach this app
//      ROOMKEY_URL   PORT (3000)   HOST (0.0.0.0)   LIVEKIT_CLIENT_JS  livekit-client's bundle
import crypto from "node:crypto";
import fs from "node:fs";
import http from "node:http";

const { APP_SECRET, APP_ORIGIN, ROOMKEY_URL, PORT = "3000", HOST = "0.0.0.0" } = process.env;
for (const name of ["APP_SECRET", "APP_ORIGIN", "ROOMKEY_URL"]) if (!process.env[name]) throw new Error(`${name} is not set`);
const page = fs.readFileSync(new URL("page.html", import.meta.url));
const client = fs.readFileSync(process.env.LIVEKIT_CLIENT_JS ?? new URL("node_modules/livekit-client/dist/livekit-client.umd.js", import.meta.url));

/** Where a real app asks its database, and for a password. */
const users = {
  alice: { name: "Alice", org: "acme" },
  bob: { name: "Bob", org: "acme" },
  carol: { name: "Carol", org: "umbrella" },
};

/** The session is a JWT: what Roomkey needs to know about the user stands in it. */
function session(id) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: APP_ORIGIN, sub: id, ...users[id], iat: now, exp: now + 8 * 3600 };
  const body = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${body}.${crypto.createHmac("sha256", APP_SECRET).update(body).digest("base64url")}`;
}

async function login(req, res) {
  let form = "";
  for await (const chunk of req) if ((form += chunk).length > 1000) return res.writeHead(413).end();
  const id = new URLSearchParams(form).get("user");
  if (!Object.hasOwn(users, id)) return res.writeHead(403).end("no such user");
  const secure = APP_ORIGIN.startsWith("https:") ? "; Secure" : "";
  res.writeHead(303, { location: "/", "set-cookie": `session=${session(id)}; HttpOnly; SameSite=Strict; Path=/; Max-Age=28800${secure}` }).end();
}

/** As it came, Host and Origin too: Roomkey takes a cookie only from a page of the same host. */
function toRoomkey(req, res) {
  const out = http.request(new URL(req.url, ROOMKEY_URL), { method: req.method, headers: req.headers }, (answer) => {
    res.writeHead(answer.statusCode, answer.headers);
    answer.pipe(res);
  });
  out.on("error", () => (res.headersSent ? res.destroy() : res.writeHead(502).end()));
  req.pipe(out);
}

const send = (type, body) => (_, res) => res.writeHead(200, { "content-type": type }).end(body);
const routes = {
  "GET /": send("text/html; charset=utf-8", page),
  "GET /livekit-client.js": send("text/javascript", client),
  "POST /login": login,
  "POST /livekit/token": toRoomkey,
  "POST /api/liveblocks-auth": toRoomkey,
};
const server = http.createServer((req, res) => (routes[`${req.method} ${req.url}`] ?? ((_, res) => res.writeHead(404).end()))(req, res));
server.listen(Number(PORT), HOST, () => console.log(`the app listens on ${HOST}:${server.address().port}, for ${APP_ORIGIN}`));
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));

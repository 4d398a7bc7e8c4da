// Hands Ably tokens to the users of an application. What it answers and why stands
// in ../README.md.
import http from "node:http";
import { createHmac, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";

const { ABLY_API_KEY = "", PORTCULLIS_URL, DEMO_PASSWORD, LISTEN = "127.0.0.1:9100" } = process.env;
const [keyName, keySecret] = split(ABLY_API_KEY, ABLY_API_KEY.indexOf(":"));
if (!keyName || !keySecret || !PORTCULLIS_URL || !DEMO_PASSWORD) {
  console.error("ABLY_API_KEY, PORTCULLIS_URL and DEMO_PASSWORD must be set");
  process.exit(1);
}
const sessionSecret = randomBytes(32); // so sessions end with the process
const sessionSeconds = Number(process.env.SESSION_SECONDS || 8 * 3600);
const tokenSeconds = 3600;

// What each user may do, looked up by the user that the session names, never by
// anything that the request says. The texts are canonical: sorted, no white space.
const capabilities = new Map([
  ["ana", '{"chat:*":["publish","subscribe"],"inbox:ana":["subscribe"]}'],
  ["ben", '{"chat:*":["subscribe"]}'],
]);

function split(text, at) {
  return at < 0 ? ["", ""] : [text.slice(0, at), text.slice(at + 1)];
}

const hmac = (secret, text, encoding) => createHmac("sha256", secret).update(text).digest(encoding);
const equal = (a, b) => timingSafeEqual(hmac(sessionSecret, a), hmac(sessionSecret, b)); // of any lengths
const now = () => Math.floor(Date.now() / 1000);

// login opens a session. Put the application's own way of telling users here.
function login(form, secure) {
  const user = form.get("user") ?? "";
  const right = equal(form.get("password") ?? "", DEMO_PASSWORD);
  if (!right || !capabilities.has(user)) return refusal(401, 40100, "wrong user or password");
  const claim = `${user}.${now() + sessionSeconds}`;
  const cookie = `session=${claim}.${hmac(sessionSecret, claim, "hex")}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${sessionSeconds}`;
  return { status: 204, headers: { "set-cookie": secure ? cookie + "; Secure" : cookie } };
}

// userOf returns whose session a request belongs to, undefined if nobody's.
function userOf(request) {
  const cookie = /(?:^|;\s*)session=([^;]*)/.exec(request.headers.cookie ?? "")?.[1] ?? "";
  const [claim, mac] = split(cookie, cookie.lastIndexOf("."));
  const [user, expires] = split(claim, claim.indexOf("."));
  return equal(mac, hmac(sessionSecret, claim, "hex")) && now() < Number(expires) ? user : undefined;
}

// Each field of a TokenRequest is followed by a line feed and then signed.
function tokenRequest(user) {
  const r = { keyName, ttl: tokenSeconds * 1000, capability: capabilities.get(user), clientId: user, timestamp: Date.now(), nonce: randomUUID() };
  const text = [r.keyName, r.ttl, r.capability, r.clientId, r.timestamp, r.nonce].map((field) => field + "\n").join("");
  return { ...r, mac: hmac(keySecret, text, "base64") };
}

// tokenDetails has a TokenRequest redeemed here, so that the client need not.
async function tokenDetails(user) {
  const answer = await fetch(`${PORTCULLIS_URL}/keys/${keyName}/requestToken`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(tokenRequest(user)), signal: AbortSignal.timeout(5000),
  });
  if (answer.status !== 201) throw new Error(`requestToken answered ${answer.status}`);
  return answer.json();
}

function jwt(user) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iat: now(), exp: now() + tokenSeconds, "x-ably-capability": capabilities.get(user), "x-ably-clientId": user };
  const input = `${part({ typ: "JWT", alg: "HS256", kid: keyName })}.${part(claims)}`;
  return `${input}.${hmac(keySecret, input, "base64url")}`;
}

const answers = {
  "/auth/token-request": async (user) => json(200, tokenRequest(user)),
  "/auth/token-details": async (user) => json(200, await tokenDetails(user)),
  "/auth/token": async (user) => ({ status: 200, type: "text/plain", body: (await tokenDetails(user)).token }),
  "/auth/jwt": async (user) => ({ status: 200, type: "application/jwt", body: jwt(user) }),
};

const json = (status, value) => ({ status, type: "application/json", body: JSON.stringify(value) });
// In Ably's form, which SDKs read when the type is exactly that.
const refusal = (status, code, message) => json(status, { error: { code, statusCode: status, message } });

// The session says who, the table what. authParams and the SDK's tokenParams are
// what the client wishes, not what it may have, and are not read.
async function answer(request, body, origin) {
  const path = request.url.split("?")[0];
  if (request.method === "POST" && path === "/login") return login(new URLSearchParams(body), origin.startsWith("https:"));
  if (!Object.hasOwn(answers, path) || !["GET", "POST"].includes(request.method)) return refusal(404, 40400, "not found");
  if (request.headers.origin && request.headers.origin !== origin) return refusal(403, 40300, "this page may not have tokens");
  const user = userOf(request);
  return user === undefined ? refusal(401, 40100, "log in first") : answers[path](user);
}

async function read(request) {
  let body = "";
  for await (const chunk of request) if ((body += chunk).length > 65536) return null;
  return body;
}

const server = http.createServer({ requestTimeout: 5000 }, async (request, response) => {
  let a;
  try {
    const body = await read(request);
    a = body === null ? refusal(413, 40009, "request body too large") : await answer(request, body, appOrigin);
  } catch (error) {
    console.error("no token:", error.message);
    a = refusal(502, 50000, "no token at present");
  }
  response.writeHead(a.status, { "cache-control": "no-store", ...(a.type && { "content-type": a.type }), ...a.headers });
  response.end(a.body);
});

let appOrigin = process.env.APP_ORIGIN; // of the application's own pages
const [host, port] = split(LISTEN, LISTEN.lastIndexOf(":"));
server.listen(Number(port), host, () => {
  appOrigin ||= `http://${host}:${server.address().port}`;
  console.error(`listening on http://${host}:${server.address().port}`);
});

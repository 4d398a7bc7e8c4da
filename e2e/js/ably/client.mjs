// Makes the client of a job: with plain options, with a literal token, or with an
// authCallback.
import Ably from "ably";
import { pushPlugin } from "./device.mjs";
import { past } from "./time.mjs";

export function rest({ url, binary }, options) {
  const { hostname, port } = new URL(url);
  return new Ably.Rest({
    endpoint: hostname, port: Number(port), tlsPort: Number(port), tls: false,
    useBinaryProtocol: binary, logLevel: 0, ...options,
  });
}

export async function makeClient(context, { options = {}, literal, callback, device }) {
  if (device) options = { ...options, plugins: { Push: pushPlugin() } };
  if (literal) options = { ...options, ...(await literalToken(context, literal)) };
  if (callback) options = { ...options, authCallback: authCallback(context, callback) };
  return rest(context, options);
}

// A token that the client cannot renew, as text or with its details; one that is
// to have expired has, by the server's clock.
async function literalToken(context, { as, key, params, expired }) {
  const details = await rest(context, { key }).auth.requestToken(params);
  if (expired) await past(context.directly, details.expires);
  return as === "token" ? { token: details.token } : { tokenDetails: details };
}

function authCallback(context, { returns, key, params, text, fetch: from }) {
  // The signer has its own connection: what is observed is the client alone.
  const { auth } = from || text ? {} : rest({ ...context, url: context.directly }, { key });
  let same;
  const made = {
    text: async () => text,
    tokenRequest: (asked) => auth.createTokenRequest({ ...asked, ...params }),
    tokenDetails: (asked) => auth.requestToken({ ...asked, ...params }),
    token: async (asked) => (await auth.requestToken({ ...asked, ...params })).token,
    sameTokenRequest: async () => (same ??= await auth.createTokenRequest(params)),
    tamperedTokenRequest: async () => ({ ...(await auth.createTokenRequest(params)), clientId: "mallory" }),
    forgedTokenRequest: async () => {
      const request = await auth.createTokenRequest(params);
      return { ...request, mac: (request.mac[0] === "A" ? "B" : "A") + request.mac.slice(1) };
    },
    fetched: async () => {
      const answer = await fetch(from.url, { method: from.method, headers: from.headers });
      return /json/.test(answer.headers.get("content-type")) ? answer.json() : answer.text();
    },
  }[returns];
  return (asked, done) => {
    context.callbacks++;
    made(asked).then((value) => done(null, value), (error) => done(error, null));
  };
}

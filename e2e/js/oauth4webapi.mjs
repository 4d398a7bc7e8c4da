// Goes through an authorization server as a client does that uses oauth4webapi. Reads
// {issuer, names, secret, redirect, scope, user, password, resource} as JSON on stdin,
// and prints what came of every step as one line of JSON. names says how the client
// calls itself in each step.
import * as oauth from "oauth4webapi";
import { readFileSync } from "node:fs";

const { issuer, names, secret, redirect, scope, user, password, resource } = JSON.parse(readFileSync(0, "utf8"));
const insecure = { [oauth.allowInsecureRequests]: true }; // loopback
const as = await oauth.processDiscoveryResponse(
  new URL(issuer),
  await oauth.discoveryRequest(new URL(issuer), { algorithm: "oauth2", ...insecure }),
);
const authentication = oauth.ClientSecretBasic(secret);
const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();

// The browser: to the authorization endpoint, and back with the user's decision.
const start = new URL(as.authorization_endpoint);
start.search = new URLSearchParams({
  response_type: "code", client_id: names.authorize, redirect_uri: redirect, scope, state,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
}).toString();
const page = await (await fetch(start)).text();
const ticket = /name="ticket" value="([^"]+)"/.exec(page)[1];
const decided = await fetch(new URL("/consent", issuer), {
  method: "POST", redirect: "manual", body: new URLSearchParams({ ticket, user, password, decision: "allow" }),
});
const callback = new URL(decided.headers.get("location"));

const client = { client_id: names.token };
const parameters = oauth.validateAuthResponse(as, client, callback, state);
const granted = await oauth.processAuthorizationCodeResponse(
  as, client, await oauth.authorizationCodeGrantRequest(as, client, authentication, parameters, redirect, verifier, insecure),
);
const refresher = { client_id: names.refresh };
const refreshed = await oauth.processRefreshTokenResponse(
  as, refresher, await oauth.refreshTokenGrantRequest(as, refresher, authentication, granted.refresh_token, insecure),
);
const owner = { client_id: names.own };
const own = await oauth.processClientCredentialsResponse(
  as, owner, await oauth.clientCredentialsGrantRequest(as, owner, authentication, { scope }, insecure),
);

async function introspect(token) {
  const asker = { client_id: resource.id };
  return oauth.processIntrospectionResponse(
    as, asker, await oauth.introspectionRequest(as, asker, oauth.ClientSecretBasic(resource.secret), token, insecure),
  );
}
const introspected = { granted: await introspect(granted.access_token), refreshed: await introspect(refreshed.access_token), own: await introspect(own.access_token) };
await oauth.processRevocationResponse(await oauth.revocationRequest(as, refresher, authentication, refreshed.refresh_token, insecure));
introspected.revoked = await introspect(refreshed.access_token);
console.log(JSON.stringify({ granted, refreshed, own, introspected }));

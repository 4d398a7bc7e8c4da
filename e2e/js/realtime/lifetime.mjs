// Tokens run out, or are revoked, while clients are connected.
import { fault, pause } from "./scene.mjs";

const grants = (list) => (n) => list[Math.min(n, list.length - 1)];

// A short token runs out; the client renews it and goes on where it was.
export async function expires(scene) {
  const room = scene.own("expires");
  const { returns, ttl } = scene.args;
  const ben = scene.channel("ben", await scene.connected("ben"), room);
  const began = Date.now();
  const ana = await scene.connected("ana", { callback: grants([{ returns, clientId: "ana", ttl }, { returns, clientId: "ana", ttl: 600 }]) });
  scene.note("minted", { began, ended: Date.now(), scene: scene.began });
  const channel = scene.channel("ana", ana, room);
  const heard = await scene.listen("heard", channel);
  await scene.until("ben to publish", ben.publish("before", "d"));
  await scene.passed("ana", "disconnected");
  await scene.until("ben to publish", ben.publish("meanwhile", "d"));
  await scene.passed("ana", "connected", 2);
  await scene.until("ben to publish", ben.publish("after", "d"));
  await scene.until("ana to hear everything", () => heard.length >= 3);
  await scene.attempt("publish", channel.publish("from ana", "d"));
}

// A token runs out and there is no other.
export async function expiresForGood(scene) {
  const ana = await scene.connected("ana", { details: { clientId: "ana", ttl: 2 } });
  await scene.state("ana", ana, "failed");
  scene.note("reason", fault(ana.connection.errorReason));
}

// Tokens of twenty seconds, for a while.
export async function shortTokens(scene) {
  const ana = await scene.connected("ana", { callback: { returns: scene.args.returns, clientId: "ana", ttl: 20 } });
  await pause(scene.args.watch);
  scene.note("state", ana.connection.state);
  await scene.attempt("publish", scene.channel("ana", ana, scene.own("room")).publish("e", "d"));
}

// A token of 35 seconds is renewed before its end, which then passes unnoticed.
export async function renewsInBand(scene) {
  const began = Date.now();
  const ana = await scene.connected("ana", { callback: grants([{ clientId: "ana", ttl: 35 }, { clientId: "ana", ttl: 600 }]) });
  await scene.passed("ana", "update");
  scene.note("renewed after", Date.now() - began);
  await pause(36_500 - (Date.now() - began));
  scene.note("state", ana.connection.state);
  await scene.attempt("publish", scene.channel("ana", ana, scene.own("room")).publish("e", "d"));
}

const revoke = (scene, targets, options) => scene.rest({ key: scene.key("revocable") }).auth.revokeTokens(targets, options);

// A client's tokens are revoked; it fetches a new one and goes on. Others notice
// nothing.
export async function revoked(scene) {
  const me = scene.own("ana");
  const grant = { key: "revocable", clientId: me, claims: { "x-ably-revocation-key": scene.own("group") } };
  const ana = await scene.connected("ana", { callback: grants([{ ...grant, age: 10 }, grant]) });
  const ben = await scene.connected("ben", { jwt: { key: "revocable", clientId: scene.own("ben"), age: 10 } });
  const target = scene.args.by === "clientId" ? { type: "clientId", value: me } : { type: "revocationKey", value: scene.own("group") };
  const { results } = await scene.until("the revocation", revoke(scene, [target]));
  scene.note("applies", results[0].appliesAt - scene.began);
  await scene.passed("ana", "disconnected");
  await scene.passed("ana", "connected", 2);
  await pause(300);
  scene.note("states", [ana.connection.state, ben.connection.state]);
}

// A client has nothing but the token that was revoked.
export async function revokedForGood(scene) {
  const me = scene.own("ana");
  const held = scene.jwt({ key: "revocable", clientId: me, age: 10 });
  const ana = await scene.connected("ana", { callback: { returns: "text", text: held } });
  const ben = await scene.connected("ben", { text: held });
  await scene.until("the revocation", revoke(scene, [{ type: "clientId", value: me }]));
  await scene.passed("ana", "disconnected", 2);
  await scene.state("ben", ben, "failed");
  scene.note("ben's reason", fault(ben.connection.errorReason));
  await pause(1500); // long enough for a tight loop to show itself
  scene.note("state", ana.connection.state);
}

// Clients are given time to fetch a new token. One of the same second would still be
// caught by the revocation: the new one says the next.
export async function revokedWithMargin(scene) {
  const me = scene.own("ana");
  const ana = await scene.connected("ana", { callback: grants([{ key: "revocable", clientId: me, age: 10 }, { key: "revocable", clientId: me, age: -1 }]) });
  const { results } = await scene.until("the revocation", revoke(scene, [{ type: "clientId", value: me }], { allowReauthMargin: true }));
  const began = Date.now();
  await scene.passed("ana", "update");
  scene.note("renewed after", Date.now() - began);
  await pause(results[0].appliesAt + 1500 - Date.now());
  scene.note("state", ana.connection.state);
}

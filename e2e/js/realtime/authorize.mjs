// Clients change their tokens while they are connected.
import { fault, pause } from "./scene.mjs";

// grants returns a callback's grants one after the other, and the last for ever.
const grants = (list) => (n) => list[Math.min(n, list.length - 1)];

// A new token allows more.
export async function upgrades(scene) {
  const [a, b] = [scene.own("a"), scene.own("b")];
  const callback = grants([
    { clientId: "ana", capability: { [a]: ["subscribe"] } },
    { clientId: "ana", capability: { [a]: ["subscribe", "publish", "presence"], [b]: ["subscribe"] } },
  ]);
  const ana = await scene.connected("ana", { callback });
  scene.note("rooms", [a, b]);
  const heard = await scene.listen("heard", scene.channel("ana", ana, a));
  await scene.attempt("publish before", scene.channel("ana", ana, a).publish("before", "d"));
  await scene.attempt("enter before", scene.channel("ana", ana, a).presence.enter());
  await scene.attempt("attach before", scene.channel("ana", ana, b).attach());
  await scene.attempt("authorize", ana.auth.authorize());
  await scene.attempt("publish after", scene.channel("ana", ana, a).publish("after", "d"));
  await scene.attempt("enter after", scene.channel("ana", ana, a).presence.enter());
  await scene.attempt("attach after", scene.channel("ana", ana, b).attach());
  await scene.until("ana to hear herself", () => heard.length > 0);
  scene.note("id", ana.connection.id);
}

// A new token allows less: the channel fails, or part of it goes on.
export async function downgrades(scene) {
  const [gone, deaf, dumb] = [scene.own("gone"), scene.own("deaf"), scene.own("dumb")];
  scene.note("rooms", { gone, deaf, dumb });
  const callback = grants([
    { clientId: "ana" },
    { clientId: "ana", capability: { [deaf]: ["publish"], [dumb]: ["subscribe"], elsewhere: ["*"] } },
  ]);
  const ben = await scene.connected("ben");
  const ana = await scene.connected("ana", { callback });
  const heard = {};
  for (const name of [gone, deaf, dumb]) {
    heard[name] = await scene.listen(`heard ${name}`, scene.channel("ana", ana, name));
    await scene.until("ben to publish", scene.channel("ben", ben, name).publish("before", "d"));
    await scene.until("ana to hear it", () => heard[name].length === 1);
  }
  const began = Date.now();
  await scene.attempt("authorize", ana.auth.authorize());
  const failed = scene.channel("ana", ana, gone);
  await scene.until("the channel to fail", failed.whenState("failed"));
  scene.note("failed after", Date.now() - began);
  scene.note("reason", fault(failed.errorReason));
  for (const name of [gone, deaf, dumb]) await scene.until("ben to publish", scene.channel("ben", ben, name).publish("after", "d"));
  await scene.until("ana to hear where she may", () => heard[dumb].length === 2);
  await scene.attempt("publish where she may", scene.channel("ana", ana, deaf).publish("from ana", "d"));
  await scene.attempt("publish where she may not", scene.channel("ana", ana, dumb).publish("from ana", "d"));
  await scene.attempt("attach again", failed.attach());
  await pause(200);
  scene.note("states", [ana.connection.state, scene.channel("ana", ana, deaf).state, scene.channel("ana", ana, dumb).state]);
}

// Four at once.
export async function concurrently(scene) {
  const ana = await scene.connected("ana", { callback: { returns: scene.args.returns, clientId: "ana" } });
  scene.note("id before", ana.connection.id);
  const tokens = await scene.until("all four", Promise.all(Array.from({ length: 4 }, () => ana.auth.authorize())));
  scene.note("authorized", tokens.length);
  await scene.attempt("publish", scene.channel("ana", ana, scene.own("room")).publish("e", "d"));
  scene.note("id", ana.connection.id);
}

// A client with a key, which authorizes without saying as whom.
export async function fromBasic(scene) {
  const ana = await scene.connected("ana", { key: "full" });
  const room = scene.channel("ana", ana, scene.own("room"));
  await scene.until("ana to attach", room.attach());
  scene.note("id before", ana.connection.id);
  await scene.attempt("authorize", ana.auth.authorize());
  scene.note("method", ana.auth.method);
  await scene.attempt("publish as zoe", room.publish({ name: "e", data: "d", clientId: "zoe" }));
  scene.note("id", ana.connection.id);
  scene.note("clientId", ana.auth.clientId);
}

// A client that may be anybody becomes nobody, and comes back.
export async function wildcardAndBack(scene) {
  const ana = await scene.connected("ana", { callback: grants([{ clientId: "*" }, {}, { clientId: "*" }]) });
  const room = scene.channel("ana", ana, scene.own("room"));
  await scene.attempt("first", room.publish({ name: "e", data: "d", clientId: "zoe" }));
  await scene.attempt("become nobody", ana.auth.authorize());
  await scene.attempt("second", room.publish({ name: "e", data: "d", clientId: "zoe" }));
  await scene.attempt("become anybody", ana.auth.authorize());
  await scene.attempt("third", room.publish({ name: "e", data: "d", clientId: "zoe" }));
  scene.note("id", ana.connection.id);
}

// A client authorizes as what it may not become, or as what it may.
export async function authorizesAs(scene) {
  const { first, then, options } = scene.args;
  const ana = await scene.connected("ana", { callback: grants([first, then]) }, options);
  scene.note("clientId before", ana.auth.clientId);
  await scene.attempt("authorize", ana.auth.authorize());
  if (scene.args.refused) await scene.state("ana", ana, "failed");
  scene.note("state", ana.connection.state);
  scene.note("clientId", ana.auth.clientId);
}

// A client's longer life is what counts.
export async function prolongs(scene) {
  const ana = await scene.connected("ana", { callback: grants([{ returns: "details", clientId: "ana", ttl: 4 }, { returns: "details", clientId: "ana", ttl: 600 }]) });
  await scene.attempt("authorize", ana.auth.authorize());
  await pause(5000); // past the first token's end
  scene.note("state", ana.connection.state);
  await scene.attempt("publish", scene.channel("ana", ana, scene.own("room")).publish("e", "d"));
}

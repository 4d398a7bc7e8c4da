// What a capability allows on channels, and who may speak as whom.
import { pause } from "./scene.mjs";

// A client tries everything on channels of which it may do this or that.
export async function capabilities(scene) {
  const ana = await scene.connected("ana", { jwt: { key: scene.args.key, clientId: "ana", capability: scene.args.capability } });
  for (const name of scene.args.channels) {
    const channel = scene.channel("ana", ana, name);
    await scene.attempt(`attach ${name}`, channel.attach());
    scene.note(`modes ${name}`, channel.modes);
    if (channel.state !== "attached") continue;
    await scene.attempt(`publish ${name}`, channel.publish("e", "d"));
    await scene.attempt(`enter ${name}`, channel.presence.enter("here"));
    scene.note(`state ${name}`, channel.state);
  }
  for (const name of scene.args.unattached) {
    await scene.attempt(`publish ${name}`, scene.channel("ana", ana, name).publish("e", "d"));
  }
  scene.note("state", ana.connection.state);
}

// Channels are attached with some modes only.
export async function modes(scene) {
  const room = scene.own("modes");
  const ana = await scene.connected("ana", { jwt: { clientId: "ana" } });
  const ben = await scene.connected("ben", { jwt: { clientId: "ben" } });
  const deaf = scene.channel("ana", ana, room, { modes: ["publish"] });
  await scene.attempt("attach to publish", deaf.attach());
  scene.note("modes to publish", deaf.modes);
  const heard = (scene.noted["deaf heard"] = []);
  deaf.subscribe((message) => heard.push(message.name));
  const dumb = scene.channel("ben", ben, room, { modes: ["subscribe"] });
  const other = await scene.listen("heard", dumb);
  scene.note("modes to subscribe", dumb.modes);
  await scene.attempt("publish to publish", deaf.publish("from ana", "d"));
  await scene.attempt("publish to subscribe", dumb.publish("from ben", "d"));
  await scene.attempt("enter to subscribe", dumb.presence.enter());
  await scene.until("ben to hear ana", () => other.length > 0);
  await pause(200);
}

// Names that are not of channels, or not of channels that one may have.
export async function names(scene) {
  const ana = await scene.connected("ana");
  for (const name of scene.args.names) await scene.attempt(`attach ${name}`, scene.channel("ana", ana, name).attach());
  scene.note("state", ana.connection.state);
}

// Messages under other names than one's own.
export async function speaks(scene) {
  const room = scene.own("speaks");
  const heard = await scene.listen("heard", scene.channel("eve", await scene.connected("eve"), room));
  const ana = await scene.connected("ana", scene.args.credential, scene.args.options);
  scene.note("connection", ana.connection.id);
  const channel = scene.channel("ana", ana, room);
  await scene.until("ana to attach", channel.attach());
  for (const [name, clientId] of Object.entries(scene.args.as)) {
    await scene.attempt(name, channel.publish({ name, data: "d", ...(clientId === null ? {} : { clientId }) }));
  }
  await scene.attempt("mixed", channel.publish([{ name: "mixed", data: "0" }, { name: "mixed", data: "1", clientId: scene.args.mixed }]));
  await scene.attempt("last", channel.publish("last", "d"));
  await scene.until("eve to hear the last", () => heard.some((m) => m.name === "last"));
  scene.note("states", [ana.connection.state, channel.state]);
}

// Presence under other names than one's own.
export async function enters(scene) {
  const room = scene.own("enters");
  const watcher = scene.channel("eve", await scene.connected("eve"), room);
  const seen = await scene.watch("seen", watcher);
  const ana = await scene.client("ana", scene.args.credential, scene.args.options);
  const channel = scene.channel("ana", ana, room);
  // Not yet connected, the SDK leaves it to the server to judge.
  await scene.attempt("as oneself", channel.presence.enter("first"));
  await scene.state("ana", ana, "connected");
  scene.note("connection", ana.connection.id);
  for (const clientId of scene.args.as) await scene.attempt(`as ${clientId}`, channel.presence.enterClient(clientId, "on behalf"));
  await scene.attempt("leave", channel.presence.leaveClient(scene.args.leaving));
  scene.note("states", [ana.connection.state, channel.state]);
  const present = async () => (await watcher.presence.get()).map((m) => m.clientId).sort().join();
  await scene.until(`eve to see ${scene.args.present}`, async () => (await present()) === scene.args.present.join());
}

// Anonymous clients in namespaces that want to know who one is.
export async function identifiedOnly(scene) {
  const nobody = await scene.connected("nobody", { jwt: {} });
  const ana = await scene.connected("ana", { jwt: { clientId: "ana" } });
  for (const namespace of scene.args.namespaces) {
    const name = `${namespace}:${scene.own("room")}`;
    await scene.attempt(`nobody publishes in ${namespace}`, scene.channel("nobody", nobody, name).publish("e", "d"));
    await scene.attempt(`nobody attaches in ${namespace}`, scene.channel("nobody", nobody, name).attach());
    await scene.attempt(`ana attaches in ${namespace}`, scene.channel("ana", ana, name).attach());
    await scene.attempt(`ana publishes in ${namespace}`, scene.channel("ana", ana, name).publish("e", "d"));
  }
  await scene.attempt("nobody attaches elsewhere", scene.channel("nobody", nobody, scene.own("elsewhere")).attach());
}

// Two apps have a channel of the same name.
export async function twoApps(scene) {
  const room = scene.own("same");
  const ana = scene.channel("ana", await scene.connected("ana", { jwt: { key: "full", clientId: "ana" } }), room);
  const ben = scene.channel("ben", await scene.connected("ben", { jwt: { key: "other", clientId: "ben" } }), room);
  const heardByAna = await scene.listen("ana heard", ana);
  const heardByBen = await scene.listen("ben heard", ben);
  await scene.watch("ana saw", ana);
  await scene.watch("ben saw", ben);
  await scene.until("ana to enter", ana.presence.enter());
  await scene.until("ben to enter", ben.presence.enter());
  await scene.until("ana to publish", ana.publish("from ana", "d"));
  await scene.until("ben to publish", ben.publish("from ben", "d"));
  await scene.until("each to hear itself", () => heardByAna.length > 0 && heardByBen.length > 0);
  scene.note("ana sees", (await ana.presence.get()).map((m) => m.clientId));
  scene.note("ben sees", (await ben.presence.get()).map((m) => m.clientId));
  await pause(200);
}

// What is published arrives, as it was meant, and says who has sent it.
import Ably from "ably";
import { fault } from "./scene.mjs";

// One client publishes, another one and a third, in the other format, hear it.
export async function delivers(scene) {
  const room = scene.own("delivers");
  const ana = await scene.connected("ana", { jwt: { clientId: "ana" } });
  const ben = await scene.connected("ben", { jwt: { clientId: "ben" } });
  const cyd = await scene.connected("cyd", { jwt: { clientId: "cyd" } }, { useBinaryProtocol: !scene.binary });
  scene.note("connection", ana.connection.id);
  const channel = scene.channel("ana", ana, room);
  const heard = [await scene.listen("ana heard", channel), await scene.listen("ben heard", scene.channel("ben", ben, room)), await scene.listen("cyd heard", scene.channel("cyd", cyd, room))];
  scene.note("began", Date.now());
  for (const [name, data] of Object.entries(contents)) scene.note(`serials of ${name}`, (await scene.attempt(name, channel.publish(name, data)))?.serials);
  await scene.attempt("nameless", channel.publish(null, "no name"));
  await scene.attempt("several", channel.publish([{ name: "several", data: "0" }, { name: "several", data: "1" }]));
  const number = Object.keys(contents).length + 3;
  await scene.until("everybody to hear everything", () => heard.every((h) => h.length >= number));
  scene.note("ended", Date.now());
}

const contents = {
  text: "grüße \u{1f600} \u0000 \"quoted\"",
  object: { a: [1, 2.5, null, true], b: { c: "d" } },
  list: [1, "two"],
  empty: "",
  nothing: undefined,
  binary: Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
};

// Binary data goes between clients of either format, both ways, also encrypted.
export async function binaries(scene) {
  const room = scene.own("binaries");
  const bytes = Buffer.from(Array.from({ length: 1024 }, (_, i) => (i * 7) & 0xff));
  const key = Buffer.alloc(16, 7);
  for (const [kind, options] of Object.entries({ plain: undefined, encrypted: { cipher: { key } } })) {
    const ana = scene.channel("ana", await scene.connected(`ana ${kind}`, { jwt: { clientId: "ana" } }), `${room}-${kind}`, options);
    const ben = scene.channel("ben", await scene.connected(`ben ${kind}`, { jwt: { clientId: "ben" } }, { useBinaryProtocol: !scene.binary }), `${room}-${kind}`, options);
    const heard = [await scene.listen(`ana heard ${kind}`, ana), await scene.listen(`ben heard ${kind}`, ben)];
    await scene.until("ana to publish", ana.publish("from ana", bytes));
    await scene.until("ben to publish", ben.publish("from ben", bytes));
    const seen = await scene.watch(`ben saw ${kind}`, ben);
    await scene.until("ana to enter", ana.presence.enter(bytes));
    await scene.until("all to arrive", () => heard.every((h) => h.length === 2) && seen.length > 0);
  }
  scene.note("bytes", bytes.toString("base64"));
}

// A hundred messages at once.
export async function burst(scene) {
  const room = scene.own("burst");
  const heard = await scene.listen("heard", scene.channel("ben", await scene.connected("ben"), room));
  const channel = scene.channel("ana", await scene.connected("ana", { jwt: { clientId: "ana" } }), room);
  await scene.until("ana to attach", channel.attach());
  const published = await scene.until("every message to be acknowledged", Promise.all(Array.from({ length: 100 }, (_, i) => channel.publish("n", String(i)))));
  scene.note("serials", published.map((p) => p.serials[0]));
  await scene.until("all to arrive", () => heard.length >= 100);
}

// What a message says about itself, and only the server may say.
export async function forges(scene) {
  const room = scene.own("forges");
  const eve = scene.channel("eve", await scene.connected("eve"), room);
  const heard = await scene.listen("heard", eve);
  const seen = await scene.watch("seen", eve);
  const victim = await scene.connected("victim", { jwt: { clientId: "victim" } });
  const mallory = await scene.connected("mallory", { jwt: { clientId: "mallory" } });
  scene.note("connection", mallory.connection.id);
  scene.note("began", Date.now());
  const channel = scene.channel("mallory", mallory, room);
  await scene.until("mallory to attach", channel.attach());
  const forged = {
    clientId: { clientId: "victim" },
    connectionId: { connectionId: victim.connection.id },
    connectionKey: { connectionKey: victim.connection.key },
    timestamp: { timestamp: 1 },
    userClaim: { extras: { userClaim: "admin", headers: { kept: "yes" } } },
    serial: { serial: "zzzz", version: { serial: "zzzz" } },
  };
  for (const [name, member] of Object.entries(forged)) {
    await scene.attempt(name, channel.publish({ name, data: "d", ...member }));
    const item = Ably.Realtime.PresenceMessage.fromValues({ data: name, ...member });
    await scene.attempt(`presence ${name}`, channel.presence.update(item));
  }
  await scene.attempt("last", channel.publish("last", "d"));
  await scene.until("eve to hear the last", () => heard.some((m) => m.name === "last"));
  scene.note("ended", Date.now());
  scene.note("reason", fault(mallory.connection.errorReason));
}

// User claims of a JWT go with what its client sends, by channel.
export async function userClaims(scene) {
  const claimed = await scene.connected("ana", { jwt: { clientId: "ana", claims: scene.args.claims } });
  const plain = await scene.connected("ben", { jwt: { clientId: "ben" } });
  const eve = await scene.connected("eve");
  for (const name of scene.args.channels) {
    const listening = scene.channel("eve", eve, name);
    const heard = await scene.listen(`heard ${name}`, listening);
    const seen = await scene.watch(`seen ${name}`, listening);
    await scene.until("ana to publish", scene.channel("ana", claimed, name).publish({ name: "ana", data: "d", extras: { headers: { a: "b" } } }));
    await scene.until("ana to enter", scene.channel("ana", claimed, name).presence.enter());
    await scene.until("ben to publish", scene.channel("ben", plain, name).publish({ name: "ben", data: "d" }));
    await scene.until("ben to enter", scene.channel("ben", plain, name).presence.enter());
    await scene.until("eve to hear and see both", () => heard.length >= 2 && seen.length >= 2);
  }
}

// A client that does not want to hear itself.
export async function echoes(scene) {
  const room = scene.own("echoes");
  const ana = scene.channel("ana", await scene.connected("ana", { jwt: { clientId: "ana" } }, { echoMessages: false }), room);
  const ben = scene.channel("ben", await scene.connected("ben", { jwt: { clientId: "ben" } }), room);
  const heardByAna = await scene.listen("ana heard", ana);
  const heardByBen = await scene.listen("ben heard", ben);
  await scene.until("ana to publish", ana.publish("from ana", "d"));
  await scene.until("ben to publish", ben.publish("from ben", "d"));
  await scene.until("both to hear ben", () => heardByAna.some((m) => m.name === "from ben") && heardByBen.some((m) => m.name === "from ben"));
}

// What is published over REST is heard by those who are attached.
export async function overREST(scene) {
  const room = scene.own("rest");
  const heard = await scene.listen("heard", scene.channel("ben", await scene.connected("ben"), room));
  const as = async (name, options, ...messages) => {
    const channel = scene.rest(options).channels.get(room);
    for (const m of messages) await scene.attempt(name, channel.publish(m));
  };
  await as("ana", { token: scene.jwt({ clientId: "ana" }) }, { name: "ana", data: { a: 1 } });
  await as("nobody", { token: scene.jwt({}) }, { name: "nobody", data: "d" });
  await as("anybody", { key: scene.key("full") }, { name: "anybody", data: "d", clientId: "zoe" });
  await as("several", { token: scene.jwt({ clientId: "ana" }) }, [{ name: "several", data: "0" }, { name: "several", data: Buffer.from([0, 255]) }]);
  await as("forged", { token: scene.jwt({ clientId: "ana" }) }, { name: "forged", data: "d", extras: { userClaim: "admin" }, timestamp: 1 });
  await as("claimed", { token: scene.jwt({ clientId: "ana", claims: { "ably.channel.*": "user" } }) }, { name: "claimed", data: "d" });
  await as("other app", { key: scene.key("other") }, { name: "other app", data: "d" });
  await as("last", { token: scene.jwt({ clientId: "ana" }) }, { name: "last", data: "d" });
  await scene.until("ben to hear the last", () => heard.some((m) => m.name === "last"));
}

// A REST publish in the name of a connection.
export async function onBehalf(scene) {
  const room = scene.own("behalf");
  const heard = await scene.listen("heard", scene.channel("eve", await scene.connected("eve"), room));
  const ana = await scene.connected("ana", { jwt: { clientId: "ana" } });
  const other = await scene.connected("other", { jwt: { key: "other", clientId: "ana" } });
  scene.note("connection", ana.connection.id);
  const publish = (name, options, connectionKey) => scene.attempt(name, scene.rest(options).channels.get(room).publish({ name, data: "d", connectionKey }));
  await publish("by the key", { key: scene.key("full") }, ana.connection.key);
  await publish("by oneself", { token: scene.jwt({ clientId: "ana" }) }, ana.connection.key);
  await publish("by another", { token: scene.jwt({ clientId: "ben" }) }, ana.connection.key);
  await publish("by nobody", { token: scene.jwt({}) }, ana.connection.key);
  await publish("of another app", { key: scene.key("full") }, other.connection.key);
  await publish("of no connection", { key: scene.key("full") }, "nobody!nothing");
  await publish("last", { key: scene.key("full") });
  await scene.until("eve to hear the last", () => heard.some((m) => m.name === "last"));
}

// Messages as long as they may be, and longer.
export async function sizes(scene) {
  const room = scene.own("sizes");
  const heard = (scene.noted.heard = []);
  const ben = scene.channel("ben", await scene.connected("ben"), room);
  await scene.until("ben to subscribe", ben.subscribe((m) => heard.push([m.name, m.data.length])));
  const channel = scene.channel("ana", await scene.connected("ana", { jwt: { clientId: "ana" } }), room);
  await scene.attempt("the longest", channel.publish("n", "x".repeat(65536 - 1)));
  await scene.attempt("too long", channel.publish("n", "x".repeat(65536)));
  const rest = scene.rest({ key: scene.key("full") }).channels.get(room);
  await scene.attempt("last", rest.publish("last", "d"));
  await scene.until("ben to hear the last", () => heard.some(([name]) => name === "last"));
}

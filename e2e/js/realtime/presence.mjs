// Who is there.
import { pause, told } from "./scene.mjs";

const members = (list) => list.map(told).sort((a, b) => (a.clientId < b.clientId ? -1 : 1));

// One who comes late sees who is there, and then what changes.
export async function lateJoiner(scene) {
  const room = scene.own("late");
  const ana = await scene.connected("ana", { jwt: { clientId: "ana" } });
  const ben = await scene.connected("ben", { jwt: { clientId: "ben" } });
  scene.note("ids", { ana: ana.connection.id, ben: ben.connection.id });
  const [hers, his] = [scene.channel("ana", ana, room), scene.channel("ben", ben, room)];
  await scene.until("ana to enter", hers.presence.enter({ mood: "good" }));
  await scene.until("ben to enter", his.presence.enter("first"));
  await scene.until("ben to update", his.presence.update("second"));

  const eve = scene.channel("eve", await scene.connected("eve", { jwt: { clientId: "eve" } }), room);
  const seen = await scene.watch("seen", eve);
  scene.note("first", members(await scene.until("eve's get", eve.presence.get())));
  scene.note("only ben", members(await scene.until("eve's get", eve.presence.get({ clientId: "ben" }))));
  const synced = seen.length;
  scene.note("synced", synced);

  await scene.until("ben to update", his.presence.update("third"));
  await scene.until("ana to leave", hers.presence.leave("bye"));
  await scene.until("eve to see both", () => seen.length >= synced + 2);
  scene.note("second", members(await scene.until("eve's get", eve.presence.get())));
  ben.close();
  await scene.until("eve to see ben leave", () => seen.length >= synced + 3);
  scene.note("third", members(await scene.until("eve's get", eve.presence.get())));
}

// A channel where nobody is, and one that is joined before anybody.
export async function earlyJoiner(scene) {
  const room = scene.own("early");
  const eve = scene.channel("eve", await scene.connected("eve", { jwt: { clientId: "eve" } }), room);
  const seen = await scene.watch("seen", eve);
  scene.note("nobody", await scene.until("eve's get", eve.presence.get()));
  const ana = await scene.connected("ana", { jwt: { clientId: "ana" } });
  scene.note("ids", { ana: ana.connection.id });
  const hers = scene.channel("ana", ana, room);
  await scene.until("ana to enter", hers.presence.enter("in"));
  await scene.until("ana to detach", hers.detach());
  await scene.until("eve to see her come and go", () => seen.length >= 2);
  scene.note("nobody again", await scene.until("eve's get", eve.presence.get()));
}

// Many are there, all by one connection that may speak for anybody.
export async function crowd(scene) {
  const room = scene.own("crowd");
  const number = 250;
  const host = await scene.connected("host", { jwt: { clientId: "*" } });
  const channel = scene.channel("host", host, room);
  await scene.until("the host to attach", channel.attach());
  await scene.until("all to enter", Promise.all(Array.from({ length: number }, (_, i) => channel.presence.enterClient(`m${i}`, String(i)))));
  const eve = scene.channel("eve", await scene.connected("eve"), room);
  const present = await scene.until("eve's get", eve.presence.get());
  scene.note("present", present.map((m) => [m.clientId, m.data, m.action]).sort((a, b) => Number(a[1]) - Number(b[1])));
  scene.note("connections", [...new Set(present.map((m) => m.connectionId))]);
  scene.note("host", host.connection.id);
  const seen = await scene.watch("seen", eve);
  const before = seen.length;
  host.close();
  await scene.until("eve to see all leave", () => seen.length >= before + number);
  scene.note("left", new Set(seen.slice(before).filter((m) => m.action === "leave").map((m) => m.clientId)).size);
  scene.noted.seen = seen.length;
}

// REST sees those who are there now.
export async function overRESTPresence(scene) {
  const room = scene.own("restpresence");
  const ana = await scene.connected("ana", { jwt: { clientId: "ana" } });
  scene.note("ids", { ana: ana.connection.id });
  const channel = scene.channel("ana", ana, room);
  await scene.until("ana to enter", channel.presence.enter({ mood: "good" }));
  const ask = async (options, params) => members((await scene.rest(options).channels.get(room).presence.get(params)).items);
  const key = { key: scene.key("full") };
  scene.note("first", await scene.until("the answer", ask(key)));
  scene.note("of ana", await scene.until("the answer", ask(key, { clientId: "ana" })));
  scene.note("of ben", await scene.until("the answer", ask(key, { clientId: "ben" })));
  await scene.attempt("without subscribe", ask({ token: scene.jwt({ capability: { "*": ["publish", "presence", "history"] } }) }));
  await scene.attempt("with subscribe", ask({ token: scene.jwt({ capability: { "*": ["subscribe"] } }) }));
  await scene.until("ana to leave", channel.presence.leave());
  scene.note("second", await scene.until("the answer", ask(key)));
}

// One client on two connections is there twice.
export async function twice(scene) {
  const room = scene.own("twice");
  const first = await scene.connected("first", { jwt: { clientId: "ana" } });
  const second = await scene.connected("second", { jwt: { clientId: "ana" } });
  const eve = scene.channel("eve", await scene.connected("eve"), room);
  const seen = await scene.watch("seen", eve);
  await scene.until("the first to enter", scene.channel("first", first, room).presence.enter("1"));
  await scene.until("the second to enter", scene.channel("second", second, room).presence.enter("2"));
  await scene.until("eve to see both", () => seen.length >= 2);
  scene.note("both", members(await scene.until("eve's get", eve.presence.get())).map((m) => [m.clientId, m.data]).sort((a, b) => Number(a[1]) - Number(b[1])));
  first.close();
  await scene.until("eve to see one leave", () => seen.length >= 3);
  await pause(100);
  scene.note("one", members(await scene.until("eve's get", eve.presence.get())).map((m) => [m.clientId, m.data]));
}

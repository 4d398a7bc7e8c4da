// How clients connect, and how they fail to.
import { fault, pause } from "./scene.mjs";

// One client connects, is of use, and closes.
export async function connects(scene) {
  const { credential, options } = scene.args;
  const ana = await scene.client("ana", credential, options);
  scene.note("clientId before", ana.auth.clientId);
  await scene.state("ana", ana, "connected");
  scene.note("clientId", ana.auth.clientId);
  scene.note("connection", { id: ana.connection.id, key: ana.connection.key });
  await scene.attempt("attach", ana.channels.get(scene.own("connects")).attach());
  ana.close();
  await scene.passed("ana", "closed");
}

// One client fails for good.
export async function fails(scene) {
  const { credential, options } = scene.args;
  const ana = await scene.client("ana", credential, options);
  await scene.state("ana", ana, "failed");
  scene.note("reason", fault(ana.connection.errorReason));
  await pause(scene.args.watch ?? 300); // for it to come back, were it not for good
}

// A client whose authCallback has nothing but bad tokens.
export async function renewsOnceThenWaits(scene) {
  const ana = await scene.client("ana", { callback: scene.args.grant });
  await scene.passed("ana", "disconnected", 2);
  await pause(2500); // long enough for a tight loop to show itself
  scene.note("state", ana.connection.state);
  scene.note("reason", fault(ana.connection.errorReason));
}

// A client learns who it is from the first CONNECTED; a later token for somebody
// else changes nothing.
export async function staysWhoItIs(scene) {
  const { first, then } = scene.args;
  const room = scene.own("identity");
  const heard = await scene.listen("heard", scene.channel("eve", await scene.connected("eve"), room));
  const ana = await scene.client("ana", { callback: (n) => (n === 0 ? first : then) });
  scene.note("clientId before", ana.auth.clientId);
  await scene.state("ana", ana, "connected");
  scene.note("clientId", ana.auth.clientId);
  const channel = scene.channel("ana", ana, room);
  await scene.attempt("publish", channel.publish("first", "by ana"));
  const publishing = [];
  for (let i = 0; i < 3; i++) publishing.push(scene.attempt(`publish ${i}`, channel.publish("meanwhile", String(i))));
  await scene.attempt("authorize", ana.auth.authorize());
  await scene.state("ana", ana, "failed");
  scene.note("clientId after", ana.auth.clientId);
  await scene.until("eve to hear her", () => heard.length > 0);
  await scene.attempt("afterwards", channel.publish("afterwards", "by nobody"));
  await pause(300);
}

// A client asks whether the server is there.
export async function pings(scene) {
  const ana = await scene.connected("ana");
  for (let i = 0; i < 3; i++) scene.note(`ping ${i}`, await scene.until("the ping's answer", ana.connection.ping()));
}

// The realtime client's own REST calls go the same way.
export async function asksOverREST(scene) {
  const ana = await scene.connected("ana", { callback: { returns: "request", clientId: "ana" } });
  scene.note("time", await ana.time());
  scene.note("stats", (await ana.stats()).items);
}

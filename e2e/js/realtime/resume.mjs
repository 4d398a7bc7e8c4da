// Connections break, and go on.
import { fault, pause } from "./scene.mjs";

const impatient = { disconnectedRetryTimeout: 300 };

// A connection is cut, and messages are published before it is back.
export async function resumes(scene) {
  const room = scene.own("resumes");
  const ben = scene.channel("ben", await scene.connected("ben", { jwt: { clientId: "ben" } }), room);
  const ana = await scene.connected("ana", scene.args.credential ?? { jwt: { clientId: "ana" } }, impatient);
  const channel = scene.channel("ana", ana, room);
  const heard = (scene.noted.heard = []);
  await scene.until("ana to subscribe", channel.subscribe((m) => heard.push(m.data)));
  await scene.until("ana to enter", channel.presence.enter("here"));
  const seen = await scene.watch("ben saw", ben);
  scene.note("before", { id: ana.connection.id });
  for (let round = 0; round < 3; round++) {
    await scene.until("ben to publish", ben.publish("e", String(100 * round)));
    await scene.until("ana to hear it", () => heard.at(-1) === String(100 * round));
    await scene.wire("ana", "refuse");
    await scene.wire("ana", "cut");
    await scene.passed("ana", "disconnected", round + 1);
    for (let i = 1; i <= 5; i++) await scene.until("ben to publish", ben.publish("e", String(100 * round + i)));
    await scene.wire("ana", "accept");
    await scene.passed("ana", "connected", round + 2);
    await scene.until("ben to publish", ben.publish("e", String(100 * round + 6)));
    await scene.until("ana to hear everything", () => heard.at(-1) === String(100 * round + 6));
  }
  scene.note("after", { id: ana.connection.id, reason: fault(ana.connection.errorReason) });
  await scene.attempt("publish", channel.publish("e", "from ana"));
  await pause(200);
  scene.note("present", (await ben.presence.get()).map((m) => m.clientId));
  scene.note("seen", seen.map((m) => m.action));
}

// The server's answers are lost with the connection: what was published is sent
// again, and must not arrive again.
export async function sendsAgain(scene) {
  const room = scene.own("again");
  const heard = (scene.noted.heard = []);
  const ben = scene.channel("ben", await scene.connected("ben"), room);
  await scene.until("ben to subscribe", ben.subscribe((m) => heard.push(m.data)));
  const ana = await scene.connected("ana", { jwt: { clientId: "ana" } }, impatient);
  const channel = scene.channel("ana", ana, room);
  await scene.until("ana to attach", channel.attach());
  await scene.attempt("first", channel.publish("e", "0"));
  await scene.wire("ana", "mute");
  const publishing = [1, 2, 3].map((i) => scene.attempt(`unanswered ${i}`, channel.publish("e", String(i))));
  await scene.until("ben to hear them", () => heard.length >= 4);
  await scene.wire("ana", "cut");
  await scene.wire("ana", "flow");
  await scene.passed("ana", "connected", 2);
  await scene.until("the answers", Promise.all(publishing));
  await scene.attempt("last", channel.publish("e", "4"));
  await scene.until("ben to hear the last", () => heard.at(-1) === "4");
  await pause(200);
}

// A connection that has fallen silent is given up and resumed.
export async function stalls(scene) {
  const room = scene.own("stalls");
  const heard = (scene.noted.heard = []);
  const ben = scene.channel("ben", await scene.connected("ben"), room);
  const ana = await scene.connected("ana", { jwt: { clientId: "ana" } }, { ...impatient, realtimeRequestTimeout: 2000 });
  await scene.until("ana to subscribe", scene.channel("ana", ana, room).subscribe((m) => heard.push(m.data)));
  scene.note("before", { id: ana.connection.id });
  await scene.wire("ana", "hold");
  await scene.until("ben to publish", ben.publish("e", "unheard"));
  await scene.passed("ana", "disconnected");
  await scene.wire("ana", "cut");
  await scene.wire("ana", "flow");
  await scene.passed("ana", "connected", 2);
  await scene.until("ana to hear it", () => heard.length > 0);
  scene.note("after", { id: ana.connection.id });
}

// An idle connection is kept by the server's pings alone.
export async function idles(scene) {
  const ana = await scene.connected("ana", { jwt: { clientId: "ana" } }, { realtimeRequestTimeout: 2000 });
  await pause(scene.args.watch);
  scene.note("state", ana.connection.state);
}

// One client takes over from another that has gone without a word.
export async function recovers(scene) {
  const room = scene.own("recovers");
  const ben = scene.channel("ben", await scene.connected("ben"), room);
  const ana = await scene.connected("ana", { jwt: { clientId: "ana" } });
  const before = await scene.listen("before", scene.channel("ana", ana, room));
  await scene.until("ben to publish", ben.publish("e", "1"));
  await scene.until("ana to hear it", () => before.length === 1);
  const recover = ana.connection.createRecoveryKey();
  scene.note("first id", ana.connection.id);
  await scene.wire("ana", "refuse");
  await scene.wire("ana", "cut");
  await scene.until("ben to publish", ben.publish("e", "2"));

  const again = await scene.connected("again", { jwt: { clientId: "ana" } }, { recover });
  scene.note("second id", again.connection.id);
  scene.note("reason", fault(again.connection.errorReason));
  const after = await scene.listen("after", scene.channel("again", again, room));
  await scene.until("ben to publish", ben.publish("e", "3"));
  await scene.until("both to be heard", () => after.length >= 2);
}

// A connection that the server does not know is not resumed, and goes on anew.
export async function recoversNothing(scene) {
  const room = scene.own("nothing");
  const recover = JSON.stringify({ connectionKey: scene.args.key, msgSerial: 7, channelSerials: { [room]: "bogus:7" } });
  const ana = await scene.connected("ana", { jwt: { clientId: "ana" } }, { recover });
  scene.note("id", ana.connection.id);
  scene.note("reason", fault(ana.connection.errorReason));
  const channel = scene.channel("ana", ana, room);
  const heard = await scene.listen("heard", channel);
  await scene.attempt("publish", channel.publish("e", "d"));
  await scene.until("ana to hear herself", () => heard.length > 0);
}

// Somebody else, or somebody of another app, tries to take a connection over.
export async function recoversAsAnother(scene) {
  const ana = await scene.connected("ana", { jwt: { clientId: "ana" } });
  scene.note("id", ana.connection.id);
  const recover = ana.connection.createRecoveryKey();
  const thief = await scene.client("thief", scene.args.credential, { recover });
  await scene.state("thief", thief, "failed");
  scene.note("reason", fault(thief.connection.errorReason));
  await scene.attempt("ana publishes", scene.channel("ana", ana, scene.own("room")).publish("e", "d"));
  scene.note("state", ana.connection.state);
}

// The server is stopped and another one started.
export async function outlivesTheServer(scene) {
  const server = `restarting ${scene.job.format}`;
  const room = scene.own("restarted");
  const ben = await scene.connected("ben", { jwt: { clientId: "ben" } }, impatient, server);
  const ana = await scene.connected("ana", { callback: { returns: scene.args.returns, clientId: "ana", server } }, impatient, server);
  const channel = scene.channel("ana", ana, room);
  const heard = await scene.listen("heard", channel);
  await scene.until("ana to enter", channel.presence.enter("here"));
  const his = scene.channel("ben", ben, room);
  await scene.until("ben to publish", his.publish("before", "d"));
  await scene.until("ana to hear it", () => heard.length === 1);
  scene.note("before", ana.connection.id);
  await scene.until("the server to be restarted", scene.control("restart", { server }));
  await scene.passed("ana", "connected", 2);
  await scene.passed("ben", "connected", 2);
  scene.note("after", ana.connection.id);
  scene.note("reason", fault(ana.connection.errorReason));
  await scene.until("ana to be attached again", channel.whenState("attached"));
  await scene.until("ben to publish", his.publish("after", "d"));
  await scene.until("ana to hear it", () => heard.length >= 2);
  await scene.until("ana to be present again", async () => (await his.presence.get()).some((m) => m.clientId === "ana"));
}

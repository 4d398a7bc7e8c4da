// Faults that are not the client's leave it trying.
import { fault } from "./scene.mjs";

const impatient = { disconnectedRetryTimeout: 250 };

// There is room for two; a third one waits until there is.
export async function waitsForRoom(scene) {
  const server = "limited";
  const credential = { jwt: { key: `limited ${scene.job.format}`, clientId: "ana" } };
  const first = await scene.connected("first", credential, {}, server);
  await scene.connected("second", credential, {}, server);
  const third = await scene.client("third", credential, impatient, server);
  await scene.passed("third", "disconnected", 3);
  scene.note("reason", fault(third.connection.errorReason));
  first.close();
  await scene.state("third", third, "connected");
}

// A token is good for one connection at a time.
export async function waitsForItsToken(scene) {
  const server = "one per token";
  const text = scene.jwt({ clientId: "ana" });
  const first = await scene.connected("first", { callback: { returns: "text", text } }, {}, server);
  const second = await scene.client("second", { callback: { returns: "text", text } }, impatient, server);
  await scene.passed("second", "disconnected", 3);
  scene.note("reason", fault(second.connection.errorReason));
  first.close();
  await scene.state("second", second, "connected");
}

// The server has lost its state and cannot tell whether a TokenRequest is new.
export async function waitsForTheStore(scene) {
  const server = "forgetful";
  const ana = await scene.client("ana", { key: "full" }, { ...impatient, useTokenAuth: true, clientId: "ana" }, server);
  await scene.passed("ana", "disconnected", 3);
  scene.note("reason", fault(ana.connection.errorReason));
  scene.note("cause", fault(ana.connection.errorReason?.cause));
  const ben = await scene.connected("ben", { jwt: { clientId: "ben" } }, {}, server);
  await scene.attempt("with a JWT all goes on", ben.channels.get(scene.own("room")).publish("e", "d"));
}

// The server cannot be reached for a while.
export async function waitsForTheServer(scene) {
  const ana = await scene.connected("ana", { jwt: { clientId: "ana" } }, impatient);
  await scene.wire("ana", "refuse");
  await scene.wire("ana", "cut");
  await scene.passed("ana", "disconnected", 3);
  await scene.wire("ana", "accept");
  await scene.passed("ana", "connected", 2);
}

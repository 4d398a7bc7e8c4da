// Plays scenes with the unmodified Ably SDK, many at a time. Reads {stage, scenes}
// as JSON on stdin and prints one JSON line a scene: what was observed in it. What
// should have been is for the reader to judge. A scene that does not come to its end
// says so in "failure", with all that it had seen.
import { readFileSync } from "node:fs";
import { Scene } from "./realtime/scene.mjs";
import * as authorize from "./realtime/authorize.mjs";
import * as channels from "./realtime/channels.mjs";
import * as connect from "./realtime/connect.mjs";
import * as faults from "./realtime/faults.mjs";
import * as lifetime from "./realtime/lifetime.mjs";
import * as messages from "./realtime/messages.mjs";
import * as presence from "./realtime/presence.mjs";
import * as resume from "./realtime/resume.mjs";

const plays = { ...authorize, ...channels, ...connect, ...faults, ...lifetime, ...messages, ...presence, ...resume };
const { stage, scenes } = JSON.parse(readFileSync(0, "utf8"));
const atOnce = 8; // of those that do not wait for a clock

async function perform(job) {
  const scene = new Scene(stage, job);
  const play = plays[job.play];
  await scene.perform(play ?? (() => { throw new Error(`no play ${job.play}`); }));
  console.log(JSON.stringify(scene.observed()));
}

async function performInTurn(jobs) {
  for (let job; (job = jobs.shift()); ) await perform(job);
}

process.on("unhandledRejection", (reason) => console.error("nobody waited for:", reason));
const slow = scenes.filter((job) => job.slow);
const quick = scenes.filter((job) => !job.slow);
await Promise.all([...slow.map(perform), ...Array.from({ length: atOnce }, () => performInTurn(quick))]);
process.exit(0); // the SDK's idle connections would keep the process alive

// Runs jobs with the unmodified Ably SDK. Reads {url, binary, jobs} as JSON on
// stdin and prints one JSON line a job: what each of its calls came to. What they
// should have come to is for the reader to judge. Whatever is thrown that is no
// error of the SDK's is reported as broken.
import { clock, serverTime } from "./ably/time.mjs";
import Ably from "ably";
import { readFileSync } from "node:fs";
import { calls } from "./ably/calls.mjs";
import { makeClient } from "./ably/client.mjs";
import { observe } from "./ably/observe.mjs";

const { url, binary, jobs } = JSON.parse(readFileSync(0, "utf8"));

async function outcome(call) {
  try {
    return { result: (await call()) ?? null };
  } catch (error) {
    if (!(error instanceof Ably.ErrorInfo)) return { broken: String(error?.stack ?? error) };
    const { code, statusCode, message, href } = error;
    return { error: { code, statusCode, message, href } };
  }
}

async function run(job) {
  const before = await serverTime(url);
  const observer = job.observe ? await observe(url) : null;
  const context = { url: observer?.url ?? url, directly: url, binary, callbacks: 0 };
  clock.offset = job.clockOffset ?? 0;
  try {
    const outcomes = [];
    const made = await outcome(async () => void (context.client = await makeClient(context, job.client)));
    if (!("result" in made)) {
      outcomes.push(made);
    } else {
      for (const call of job.calls) outcomes.push(await outcome(() => calls[call.do](context, call)));
    }
    return { case: job.case, before, outcomes, callbacks: context.callbacks, exchanges: observer?.exchanges ?? [] };
  } finally {
    clock.offset = 0;
    observer?.close();
  }
}

for (const job of jobs) console.log(JSON.stringify(await run(job)));
process.exit(0); // the SDK's idle connections would keep the process alive

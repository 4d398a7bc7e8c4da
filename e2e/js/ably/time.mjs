// The clock of this process, which a job may shift, and the server's.
//
// The SDK keeps Date.now as it finds it when it is loaded: this module comes first.
const realNow = Date.now;
export const clock = { offset: 0 };
Date.now = () => realNow() + clock.offset;

// serverTime asks without the SDK: asking with it would correct the SDK's clock.
export async function serverTime(url) {
  const [now] = await (await fetch(`${url}/time`)).json();
  return now;
}

// past waits until the server's clock is past a time.
export async function past(url, time) {
  while ((await serverTime(url)) <= time);
}

// A device that receives push messages: the SDK's own plugin for it, on a platform
// that keeps its storage in memory and has a registration token at once.
import Push from "ably/push";
import { serverTime } from "./time.mjs";

export function pushPlugin() {
  const kept = new Map();
  const storage = {
    get: async (name) => kept.get(name) ?? null,
    set: async (name, value) => void kept.set(name, value),
    remove: async (name) => void kept.delete(name),
  };
  const getPushDeviceDetails = async (machine) => {
    const device = await machine.client.getDevice();
    device.push.recipient = { transportType: "fcm", registrationToken: "first" };
    await device.persist();
    machine.handleEvent(new machine.GotPushDeviceDetails());
  };
  return { ...Push, pushConfig: { platform: "android", formFactor: "phone", storageIsAsync: true, storage, getPushDeviceDetails } };
}

async function local({ client }) {
  const { id, clientId, deviceSecret, deviceIdentityToken } = await client.getDevice();
  return { id, clientId, deviceSecret, deviceIdentityToken };
}

const channel = (method) => async ({ client }, { channel }) => {
  await client.channels.get(channel).push[method]();
};

export const deviceCalls = {
  activate: async (context) => {
    await context.client.push.activate();
    return local(context);
  },
  deactivate: async (context) => {
    await context.client.push.deactivate();
    return local(context);
  },
  // The SDK updates the registration on its own time; its state tells when it has.
  updateToken: async ({ client, directly }, { token }) => {
    let failed = null;
    client.push.stateMachine.updateFailedCallback = (error) => (failed = error);
    await client.push.updateToken({ transportType: "fcm", token });
    while (client.push.stateMachine.current.name === "WaitingForRegistrationSync") await serverTime(directly);
    if (failed) throw failed;
  },
  subscribeDevice: channel("subscribeDevice"),
  unsubscribeDevice: channel("unsubscribeDevice"),
  subscribeClient: channel("subscribeClient"),
  unsubscribeClient: channel("unsubscribeClient"),
  listSubscriptions: async ({ client }) => (await (await client.getDevice()).listSubscriptions()).items,
};

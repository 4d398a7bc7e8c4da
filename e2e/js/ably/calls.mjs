// What a job may have its client do. Each returns what the SDK gave, as JSON.
import { rest } from "./client.mjs";
import { deviceCalls } from "./device.mjs";
import { past, serverTime } from "./time.mjs";

export const calls = {
  requestToken: ({ client }, { params, authOptions }) => client.auth.requestToken(params, authOptions),
  authorize: async ({ client }, { params, authOptions }) => {
    const details = await client.auth.authorize(params, authOptions);
    return { ...details, method: client.auth.method };
  },
  // The client's present token runs out, by the server's clock and by what the SDK
  // takes for that, which is behind by as long as the answer to time() was on its way.
  awaitExpiry: async ({ client, directly }) => {
    const { expires } = client.auth.tokenDetails;
    await past(directly, expires);
    while (Date.now() + (client.serverTimeOffset ?? 0) <= expires) await serverTime(directly);
  },

  // Revokes tokens, with another client and past the observer when there is a key.
  revoke: (context, { key, targets, options }) => {
    const client = key ? rest({ ...context, url: context.directly }, { key }) : context.client;
    return client.auth.revokeTokens(targets, options);
  },

  time: ({ client }) => client.time(),
  stats: async ({ client }) => (await client.stats()).items,
  status: ({ client }, { channel }) => client.channels.get(channel).status(),
  publish: ({ client }, { channel, message }) => client.channels.get(channel).publish(message),
  history: async ({ client }, { channel }) => (await client.channels.get(channel).history()).items,

  // Any request, past the SDK's own checks, in the client's format.
  request: async ({ client }, { method, path, query, body, headers }) => {
    const answer = await client.request(method, path, 6, query, body, headers);
    return {
      statusCode: answer.statusCode, success: answer.success, items: answer.items, contentType: answer.headers["content-type"],
      errorCode: answer.errorCode ?? 0, errorMessage: answer.errorMessage ?? "",
    };
  },
  // client.push.admin: all pages of what a method returns.
  admin: async ({ client }, { of, method, argument }) => {
    let result = await client.push.admin[of][method](argument);
    if (!result?.items) return result;
    const items = [...result.items];
    while (result.hasNext()) items.push(...(result = await result.next()).items);
    return items;
  },
  ...deviceCalls,

  // A TokenRequest redeemed in the client's format; requestToken always uses JSON.
  redeem: async ({ client }, { params }) => {
    const request = await client.auth.createTokenRequest(params);
    return calls.request({ client }, { method: "post", path: `/keys/${request.keyName}/requestToken`, body: request });
  },
};

// A scene: its clients, each behind a proxy of its own, and what they observe.
import Ably from "ably";
import jwt from "jsonwebtoken";

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// What a client can tell about an error.
export function fault(error) {
  if (!error) return null;
  if (error.code === undefined) return { broken: String(error.stack ?? error) };
  return { code: error.code, statusCode: error.statusCode, message: error.message };
}

export class Scene {
  constructor(stage, job) {
    Object.assign(this, { stage, job, args: job.args ?? {}, binary: job.format === "msgpack" });
    this.began = Date.now();
    this.id = `${job.scene}/${job.format}`;
    this.noted = {};
    this.states = {}; // by client
    this.channelStates = {}; // by client and channel
    this.callbacks = {}; // how often each client has asked for a token
    this.clients = [];
    this.waiting = "the play's first line";
  }

  // perform plays until the play, or the time for it, is over.
  async perform(play) {
    const timeout = this.job.timeout ?? 15_000;
    let timer;
    const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error(`not over after ${timeout} ms; waiting for ${this.waiting}`)), timeout)));
    try {
      await Promise.race([play(this), late]);
    } catch (error) {
      this.failure = `waiting for ${this.waiting}: ${JSON.stringify(fault(error))}`;
    }
    clearTimeout(timer);
    this.took = Date.now() - this.began;
    this.ended = true;
    for (const client of this.clients) client.close();
  }

  observed() {
    const { noted, states, channelStates, callbacks, failure, took } = this;
    return { scene: this.job.scene, format: this.job.format, noted, states, channelStates, callbacks, failure, took };
  }

  note(name, value) {
    this.noted[name] = value ?? null;
  }

  // attempt notes what a call came to: "ok", or how it was refused.
  async attempt(name, call) {
    this.waiting = name;
    try {
      const result = await (typeof call === "function" ? call() : call);
      this.note(name, "ok");
      return result;
    } catch (error) {
      this.note(name, fault(error));
    }
  }

  // until waits for a promise, or for a condition to hold.
  async until(what, condition) {
    this.waiting = what;
    if (typeof condition !== "function") return condition;
    for (;;) {
      const holds = await condition();
      if (holds) return holds;
      if (this.ended) throw new Error("the scene is over");
      await pause(5);
    }
  }

  // a name that no other scene has
  own(name) {
    return `${name}-${this.job.scene.replace(/[^a-z0-9]+/gi, "-")}-${this.job.format}`;
  }

  key(name) {
    return this.stage.keys[name];
  }

  // A JWT that grants: {key, clientId, capability, ttl in seconds, age, claims, secret}.
  jwt({ key = "full", clientId, capability, ttl = 600, age = 0, claims = {}, secret }) {
    const [keyName, keySecret] = this.key(key).split(/:(.*)/s);
    const iat = Math.floor(Date.now() / 1000) - age;
    const all = { iat, exp: iat + ttl, ...claims };
    if (clientId !== undefined) all["x-ably-clientId"] = clientId;
    if (capability !== undefined) all["x-ably-capability"] = JSON.stringify(capability);
    return jwt.sign(all, secret ?? keySecret, { algorithm: "HS256", keyid: keyName });
  }

  // An Ably token, with its details; ttl in seconds.
  async token({ key = "full", clientId, capability, ttl, server }) {
    const params = {};
    if (clientId !== undefined) params.clientId = clientId;
    if (capability !== undefined) params.capability = capability;
    if (ttl !== undefined) params.ttl = ttl * 1000;
    return this.rest({ key: this.key(key) }, server).auth.requestToken(params);
  }

  connectionOptions(url) {
    const { hostname, port } = new URL(url);
    return {
      endpoint: hostname, port: Number(port), tlsPort: Number(port), tls: false,
      transports: ["web_socket"], disableConnectivityCheck: true, wsConnectivityCheckUrl: `ws://${hostname}:${port}/`,
      useBinaryProtocol: this.binary, logLevel: 0,
    };
  }

  // A REST client that is not observed.
  rest(options, server = "main") {
    return new Ably.Rest({ ...this.connectionOptions(this.stage.servers[server]), ...options });
  }

  // The options that a credential comes to.
  async credential(name, credential = { key: "full" }) {
    const { key, text, token, details, jwt: minted, callback, authUrl } = credential;
    if (key) return { key: this.key(key) };
    if (text) return { token: text };
    if (token) return { token: (await this.token(token)).token };
    if (details) return { tokenDetails: await this.token(details) };
    if (minted) return { token: this.jwt(minted) };
    if (credential.literalKey) return { key: credential.literalKey };
    if (authUrl) return { authUrl: `${this.stage.url}/auth/${authUrl.form}`, authParams: authUrl.params, authMethod: authUrl.method };
    return { authCallback: this.callback(name, callback) };
  }

  // An authCallback, counted. grant is what it grants, or a function that says so
  // each time.
  callback(name, grant) {
    this.callbacks[name] = 0;
    return (asked, done) => {
      const now = typeof grant === "function" ? grant(this.callbacks[name]++) : (this.callbacks[name]++, grant);
      this.made(now).then((value) => done(null, value), (error) => done(error, null));
    };
  }

  async made(grant) {
    switch (grant.returns ?? "jwt") {
      case "jwt": return this.jwt(grant);
      case "text": return grant.text;
      case "token": return (await this.token(grant)).token;
      case "details": return this.token(grant);
      case "request": {
        const { auth } = this.rest({ key: this.key(grant.key ?? "full") }, grant.server);
        return auth.createTokenRequest({ clientId: grant.clientId, capability: grant.capability ?? { "*": ["*"] }, ttl: (grant.ttl ?? 600) * 1000 });
      }
    }
  }

  // A client, and all the states that it passes through.
  async client(name, credential, options = {}, server = "main") {
    const url = await this.control("proxy", { name, server });
    const client = new Ably.Realtime({ ...this.connectionOptions(url), ...(await this.credential(name, credential)), ...options, autoConnect: false });
    this.clients.push(client);
    const states = (this.states[name] = []);
    const scene = this;
    client.connection.on(function (change) {
      if (scene.ended) return;
      const { code, statusCode, cause } = change.reason ?? {};
      states.push({ state: this.event, code: code ?? 0, statusCode: statusCode ?? 0, id: client.connection.id ?? "", at: Date.now() - scene.began, retryIn: change.retryIn ?? 0, cause: fault(cause) ?? undefined });
    });
    client.connect();
    return client;
  }

  // A client that has connected.
  async connected(name, credential, options, server) {
    const client = await this.client(name, credential, options, server);
    await this.state(name, client, "connected");
    return client;
  }

  state(name, client, state) {
    return this.until(`${name} to be ${state}`, client.connection.whenState(state));
  }

  // passed waits until the client has been through a state as often as told.
  passed(name, state, times = 1) {
    return this.until(`${name} to be ${state}, ${times} times`, () => this.states[name].filter((s) => s.state === state).length >= times);
  }

  // A channel of a client, and all the states that it passes through.
  channel(name, client, channelName, options) {
    const channel = client.channels.get(channelName, options);
    const states = (this.channelStates[`${name} ${channelName}`] ??= []);
    const scene = this;
    channel.on(function (change) {
      if (scene.ended) return;
      states.push({ state: this.event, code: change.reason?.code ?? 0, statusCode: change.reason?.statusCode ?? 0, resumed: change.resumed ?? false, at: Date.now() - scene.began });
    });
    return channel;
  }

  // listen subscribes, and notes what arrives.
  async listen(name, channel) {
    const heard = (this.noted[name] = []);
    await this.until(`${name}: to subscribe`, channel.subscribe((message) => heard.push(told(message))));
    return heard;
  }

  // watch subscribes to presence, and notes what arrives.
  async watch(name, channel) {
    const seen = (this.noted[name] = []);
    await this.until(`${name}: to subscribe`, channel.presence.subscribe((message) => seen.push(told(message))));
    return seen;
  }

  // control has the stage do something.
  async control(what, body = {}) {
    const answer = await fetch(`${this.stage.url}/${what}`, { method: "POST", body: JSON.stringify({ scene: this.id, ...body }) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${what} ${JSON.stringify(body)}: ${text}`);
    return text;
  }

  // wire has a client's proxy do something: cut, refuse, accept, hold, mute, flow.
  wire(name, act) {
    return this.control("wire", { name, act });
  }
}

// What can be told of a message or presence message.
export function told({ action, name, data, encoding, clientId, connectionId, id, timestamp, extras, serial }) {
  if (Buffer.isBuffer(data) || data instanceof ArrayBuffer) data = { base64: Buffer.from(data).toString("base64") };
  return { action, name, data, encoding, clientId, connectionId, id, timestamp, extras, serial };
}

// Sends the frames of server.txt, which package frame has written, to an unmodified
// Ably SDK, in both formats, and asserts what the SDK makes of them. Run it where the
// SDK is installed (the end-to-end tests do):
//
//   cd e2e/js && node ../../server/realtime/frame/testdata/deliver.mjs
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(process.cwd() + '/');
const Ably = require('ably');
const { WebSocketServer } = require('ws');
const msgpack = require('@ably/msgpack-js');

const name = 'room:é';
const frames = { json: {}, msgpack: {} };
for (const line of readFileSync(new URL('server.txt', import.meta.url), 'utf8').trim().split('\n')) {
  const [format, frame, text] = line.split(' ');
  frames[format][frame] = Buffer.from(text, 'base64');
}
for (const format of ['json', 'msgpack']) {
  await deliver(format);
  console.log(format, 'as expected');
}
process.exit(0);

async function deliver(format) {
  const binary = format === 'msgpack';
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await new Promise((resolve) => server.once('listening', resolve));
  let send;
  const auth = [];
  server.on('connection', (socket) => {
    send = (...names) => names.forEach((n) => socket.send(binary ? frames[format][n] : frames[format][n].toString()));
    send('connected');
    socket.on('message', (data) => {
      const frame = binary ? msgpack.decode(data) : JSON.parse(data);
      switch (frame.action) {
        case 10: return frame.channel === name ? send('attached', 'sync-1', 'sync-2') : send('denied');
        case 12: return send('detached');
        case 14: return send('ack-presence');
        case 15: return send(frame.msgSerial === 0 ? 'ack' : 'nack');
        case 17: return auth.push(frame), send('connected');
      }
    });
  });
  const client = new Ably.Realtime({
    endpoint: '127.0.0.1', port: server.address().port, tls: false, useBinaryProtocol: binary, clientId: 'alice', logLevel: 0,
    authCallback: (_, callback) => callback(null, 'not.a.jwt'),
  });
  await client.connection.once('connected');
  assert.equal(client.connection.id, 'c1');
  assert.equal(client.connection.key, 'c1!k');
  assert.equal(client.auth.clientId, 'alice');

  const channel = client.channels.get(name, { params: { rewind: '1' } });
  const messages = [], presence = [];
  await channel.subscribe((m) => messages.push(m));
  await channel.presence.subscribe((p) => presence.push([p.action, p.clientId, p.connectionId, p.id, p.data]));
  assert.deepEqual(channel.params, { rewind: '1' });
  assert.deepEqual([...channel.modes].sort(), ['presence', 'presence_subscribe', 'publish', 'subscribe']);
  assert.equal(channel.properties.attachSerial, 'e-0');
  const members = async () => (await channel.presence.get()).map((p) => [p.action, p.clientId, p.data]).sort((a, b) => (a[1] < b[1] ? -1 : 1));
  assert.deepEqual(await members(), [['present', 'bob', { n: 1 }], ['present', 'carol', 'é']], 'after both pages of the SYNC');

  presence.length = 0;
  send('text', 'json', 'binary', 'extras', 'enter', 'update', 'leave');
  await until(() => messages.length === 8 && presence.length === 3);
  assert.deepEqual(messages.map((m) => m.id), ['c2:1:0', 'c2:1:1', 'c2:1:2', 'c2:2:0', 'c2:3:0', 'c2:3:1', 'c2:3:2', 'idem:0']);
  assert.deepEqual(messages.map((m) => m.name), ['text', 'text', 'text', 'json', 'binary', 'binary', 'binary', 'extras']);
  const [text, empty, none, json, bytes, noBytes, utf8, extras] = messages;
  assert.deepEqual([text.data, empty.data, none.data, utf8.data], ['héllo "w"\n\u2028\u{1F600}', '', undefined, 'ü']);
  assert.deepEqual(json.data, { a: [1, 2.5, null, 'ü'] });
  assert.deepEqual([...bytes.data], [0, 1, 254, 255]);
  assert.ok(Buffer.isBuffer(noBytes.data) && noBytes.data.length === 0);
  assert.deepEqual(extras.extras, { headers: { i: -3, f: 1.5, m: 9007199254740991, neg: -9007199254740991, t: true, n: null, l: [1, {}] }, userClaim: 'ad"min' });
  for (const [i, m] of messages.entries()) {
    assert.deepEqual([m.connectionId, m.timestamp, m.action, m.encoding ?? null], ['c2', 1700000000123, 'message.create', null], String(i));
  }
  assert.deepEqual([text.clientId, empty.clientId, text.serial, empty.serial], ['bob', undefined, 'e-c2:1:000', 'e-c2:1:001']);
  assert.deepEqual(presence, [
    ['enter', 'dave', 'c4', 'c4:0:0', []],
    ['update', 'bob', 'c2', 'c2:5:0', { n: 2 }],
    ['leave', 'carol', 'c3', 'c3:1:0', 'bye'],
  ]);
  assert.deepEqual(await members(), [['present', 'bob', { n: 2 }], ['present', 'dave', []]]);

  assert.deepEqual((await channel.publish([{ name: 'a' }, { name: 'b' }])).serials, ['e-1:000', 'e-1:001']);
  const denied = { code: 40160, statusCode: 401, message: 'operation not permitted with provided capability', href: 'https://help.ably.io/error/40160' };
  await refused(channel.publish('c', 'd'), denied);
  await channel.presence.enter('x');
  const other = client.channels.get('denied');
  await refused(other.attach(), denied);
  assert.equal(other.state, 'failed');
  assert.equal(client.connection.state, 'connected', 'an error of a channel is not one of the connection');

  send('auth');
  await until(() => auth.length === 1);
  assert.equal(auth[0].auth.accessToken, 'not.a.jwt');
  await channel.detach();
  assert.equal(channel.state, 'detached');

  send('disconnected'); // a token error: the SDK gets a new token and comes back
  const change = await client.connection.once('disconnected').then(() => client.connection.once('connected'));
  assert.equal(change.current, 'connected');
  send('error');
  const failed = await client.connection.once('failed');
  assert.deepEqual([failed.reason.code, failed.reason.statusCode], [40131, 401]);
  server.close();
}

async function refused(promise, want) {
  const error = await promise.then(() => assert.fail('not refused'), (e) => e);
  const { code, statusCode, message, href } = error;
  assert.deepEqual({ code, statusCode, message, href }, want);
}

async function until(condition) {
  for (const end = Date.now() + 5000; !condition(); await new Promise((resolve) => setTimeout(resolve, 5))) {
    assert.ok(Date.now() < end, 'not in time');
  }
}

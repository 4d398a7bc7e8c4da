// Writes sdk.txt: the frames that an unmodified Ably SDK (npm ably 2.28.0) sends, as
// it sends them. The server at the other end says just enough for it to go on. Run it
// where the SDK is installed:
//
//   cd e2e/js && NODE_PATH=node_modules node ../../server/realtime/frame/testdata/capture.mjs
//
// Each line is the format, a name, and the frame in base64. Both formats send the same
// frames in the same order. Random ids and the tokens' MACs are whatever they were.
import { createRequire } from 'node:module';
import { writeFileSync } from 'node:fs';
import { createHmac } from 'node:crypto';

const require = createRequire(process.cwd() + '/');
const Ably = require('ably');
const { WebSocketServer } = require('ws');
const msgpack = require('@ably/msgpack-js');

const lines = [];
for (const format of ['json', 'msgpack']) {
  await capture(format);
}
writeFileSync(new URL('sdk.txt', import.meta.url), lines.join('\n') + '\n');

async function capture(format) {
  const binary = format === 'msgpack';
  let step = '';
  let closed;
  const close = new Promise((resolve) => (closed = resolve));
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await new Promise((resolve) => server.once('listening', resolve));
  server.on('connection', (socket) => {
    const send = (frame) => socket.send(binary ? msgpack.encode(frame, true) : JSON.stringify(frame));
    const connected = {
      action: 4,
      connectionId: 'c1',
      connectionDetails: {
        clientId: 'alice', connectionKey: 'c1!k', maxMessageSize: 65536, maxFrameSize: 524288,
        maxInboundRate: 1000, connectionStateTtl: 120000, maxIdleInterval: 15000, serverId: 's',
      },
    };
    send(connected);
    socket.on('message', (data) => {
      const frame = binary ? msgpack.decode(data) : JSON.parse(data);
      lines.push([format, step, Buffer.from(data).toString('base64')].join(' '));
      switch (frame.action) {
        case 0: return send({ action: 0, id: frame.id });
        case 7: return send({ action: 8 }), closed();
        case 10: return send({ action: 11, channel: frame.channel, flags: 983040, channelSerial: 'e-1' });
        case 12: return send({ action: 13, channel: frame.channel });
        case 14:
        case 15: return send({ action: 1, msgSerial: frame.msgSerial, count: 1 });
        case 17: return send(connected);
      }
    });
  });

  const port = server.address().port;
  const client = new Ably.Realtime({
    endpoint: '127.0.0.1', port, tls: false, useBinaryProtocol: binary, clientId: 'alice',
    authCallback: (_, callback) => callback(null, jwt()),
  });
  await client.connection.once('connected');
  const at = async (name, run) => ((step = name), await run());

  await at('ping', () => client.connection.ping());
  const channel = client.channels.get('room:é', {
    params: { rewind: '1', delta: 'vcdiff' }, modes: ['PRESENCE', 'PUBLISH', 'SUBSCRIBE', 'PRESENCE_SUBSCRIBE'],
  });
  await at('attach', () => channel.attach());
  await at('text', () => channel.publish('greeting', 'héllo "w"\n\u2028\u{1F600}'));
  await at('empty-text', () => channel.publish('greeting', ''));
  await at('no-data', () => channel.publish('greeting', undefined));
  await at('null-data', () => channel.publish('greeting', null));
  await at('no-name', () => channel.publish(null, 'x'));
  await at('object', () => channel.publish('o', { a: [1, 2.5, null, 'ü'], b: { c: true } }));
  await at('array', () => channel.publish('a', [1, 'two', { three: 3 }]));
  await at('binary', () => channel.publish('b', Buffer.from([0, 1, 254, 255])));
  await at('empty-binary', () => channel.publish('b', Buffer.alloc(0)));
  await at('extras', () => channel.publish({
    name: 'e', data: 'd', clientId: 'alice', id: 'idem:0',
    extras: { headers: { f: 1.5, i: -3, m: 9007199254740991, neg: -9007199254740991, big: 2 ** 40, t: true, s: 'ü', u: undefined, n: null, l: [1, undefined, null] }, ref: { type: 'com.example', timeserial: 'x' } },
  }));
  await at('several', () => channel.publish([{ name: '1', data: 'a' }, { name: '2', data: { b: 1 } }, { name: '3', data: Buffer.from('c') }]));
  await at('enter', () => channel.presence.enter({ mood: 'fine' }));
  await at('update', () => channel.presence.update(Buffer.from([255])));
  await at('leave', () => channel.presence.leave('bye'));
  await at('auth', () => client.auth.authorize());
  await at('detach', () => channel.detach());
  step = 'close';
  client.close();
  await close; // the SDK calls itself closed before the frame has arrived
  server.close();
}

function jwt() {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const input = part({ typ: 'JWT', alg: 'HS256', kid: 'appId.keyId' }) + '.' + part({ iat: now, exp: now + 3600, 'x-ably-clientId': 'alice' });
  return input + '.' + createHmac('sha256', 'not a secret').update(input).digest('base64url');
}

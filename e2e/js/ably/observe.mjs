// A proxy that notes what passes between the SDK and the server: how often, with
// which of the tokens seen so far, and what came back.
import http from "node:http";

export async function observe(url) {
  const exchanges = [];
  const tokens = [];
  const proxy = http.createServer((request, response) => {
    const { method, url: path, headers } = request;
    const exchange = { method, path: path.split("?")[0], token: -1 };
    exchanges.push(exchange);
    if (headers.authorization) {
      if (!tokens.includes(headers.authorization)) tokens.push(headers.authorization);
      exchange.token = tokens.indexOf(headers.authorization);
    }
    const onward = http.request(url + path, { method, headers }, (answer) => {
      exchange.status = answer.statusCode;
      exchange.code = Number(answer.headers["x-ably-errorcode"] ?? 0);
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", (error) => response.destroy(error));
    request.pipe(onward);
  });
  await new Promise((listening) => proxy.listen(0, "127.0.0.1", listening));
  return { url: `http://127.0.0.1:${proxy.address().port}`, exchanges, close: () => proxy.closeAllConnections() || proxy.close() };
}

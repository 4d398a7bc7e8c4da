// Calls an authorization service with the unmodified SDK of Authlete. Reads {url,
// bearer, serviceId, calls} as JSON on stdin and prints one JSON line a call: what the
// SDK returned, or its error. {{0.ticket}} in a request stands for a member of what
// call 0 has returned. An answer that the SDK cannot read is reported as broken.
import { Authlete } from "@authlete/typescript-sdk";
import * as errors from "@authlete/typescript-sdk/models/errors";
import { readFileSync } from "node:fs";

const { url, bearer, serviceId, calls } = JSON.parse(readFileSync(0, "utf8"));
const authlete = new Authlete({ serverURL: url, bearer });
const apis = {
  authorization: (r) => authlete.authorization.processRequest({ serviceId, authorizationRequest: r }),
  issue: (r) => authlete.authorization.issue({ serviceId, authorizationIssueRequest: r }),
  fail: (r) => authlete.authorization.fail({ serviceId, authorizationFailRequest: r }),
  token: (r) => authlete.token.process({ serviceId, tokenRequest: r }),
  introspection: (r) => authlete.introspection.process({ serviceId, introspectionRequest: r }),
  standard: (r) => authlete.introspection.standardProcess({ serviceId, standardIntrospectionRequest: r }),
  revocation: (r) => authlete.revocation.process({ serviceId, revocationRequest: r }),
};

const results = [];

function filled(value) {
  if (typeof value === "string") return value.replace(/\{\{(\d+)\.(\w+)\}\}/g, (_, i, name) => results[i]?.[name] ?? "");
  if (Array.isArray(value)) return value.map(filled);
  if (value !== null && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, filled(v)]));
  return value;
}

for (const { api, request } of calls) {
  let line;
  try {
    const result = await apis[api](filled(request));
    results.push(result);
    line = { result };
  } catch (error) {
    results.push(null);
    line =
      error instanceof errors.ResultError
        ? { error: { status: error.statusCode, resultCode: error.resultCode, resultMessage: error.resultMessage } }
        : { broken: String(error?.stack ?? error) };
  }
  console.log(JSON.stringify(line));
}

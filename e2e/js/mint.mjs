// Mints JWTs with a library that is not ours. Reads a JSON array of jobs on
// stdin, {library, alg, kid, secret, claims}, and prints one token a line.
import { readFileSync } from "node:fs";
import jsonwebtoken from "jsonwebtoken";
import { SignJWT, UnsecuredJWT } from "jose";

const minters = {
  jsonwebtoken: ({ alg, kid, secret, claims }) =>
    jsonwebtoken.sign(claims, alg === "none" ? "" : secret, { algorithm: alg, keyid: kid }),

  jose: ({ alg, kid, secret, claims }) =>
    alg === "none"
      ? new UnsecuredJWT(claims).encode() // takes no header parameters
      : new SignJWT(claims).setProtectedHeader({ alg, kid, typ: "JWT" }).sign(new TextEncoder().encode(secret)),
};

for (const job of JSON.parse(readFileSync(0, "utf8"))) {
  console.log(await minters[job.library](job));
}

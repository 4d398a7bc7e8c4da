// Mints JWTs with a library that is not ours. Reads a JSON array of jobs on
// stdin, {library, alg, kid, secret, claims, header, enc}, and prints one token a
// line. Without a secret, a key is made that nobody else has.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import jsonwebtoken from "jsonwebtoken";
import { EncryptJWT, SignJWT, UnsecuredJWT } from "jose";

const keyPairs = new Map();

function keyPair(alg) {
  const [type, options] = alg.startsWith("ES")
    ? ["ec", { namedCurve: { ES256: "P-256", ES384: "P-384", ES512: "P-521" }[alg] }]
    : alg === "EdDSA" ? ["ed25519", {}] : ["rsa", { modulusLength: 2048 }];
  if (!keyPairs.has(alg)) keyPairs.set(alg, generateKeyPairSync(type, options));
  return keyPairs.get(alg);
}

const signingKey = ({ alg, secret }) => (secret ? new TextEncoder().encode(secret) : keyPair(alg).privateKey);
const contentKey = ({ alg }) => (alg.startsWith("RSA") ? keyPair(alg).publicKey : randomBytes(32));

const minters = {
  jsonwebtoken: ({ alg, kid, secret, claims, header = {} }) =>
    jsonwebtoken.sign(claims, alg === "none" ? "" : secret || keyPair(alg).privateKey, { algorithm: alg, keyid: kid, header }),

  jose: (job) => {
    const { alg, kid, enc, claims, header } = job;
    if (enc) return new EncryptJWT(claims).setProtectedHeader({ alg, enc, kid, ...header }).encrypt(contentKey(job));
    if (alg === "none") return new UnsecuredJWT(claims).encode(); // takes no header parameters
    return new SignJWT(claims).setProtectedHeader({ alg, kid, typ: "JWT", ...header }).sign(signingKey(job));
  },
};

for (const job of JSON.parse(readFileSync(0, "utf8"))) {
  console.log(await minters[job.library](job));
}

// Package oracle is the slow, obviously right reading of API keys, Ably JWTs and
// capabilities, against which the fast engine is compared.
//
// The calls you want are [VerifyToken] or [VerifyKey], followed by [Admit]; each
// answers with a [Verdict] whose Reason is empty when the credential is admitted
// and otherwise names the first rule that it breaks.
//
// # Independence
//
// Nothing here shares code with the engine: only the standard library is
// imported, every segment is decoded, every JSON text becomes a tree and every
// capability a map, so that a mistake of the engine is not repeated by the
// judge. It is meant for tests, fuzz targets and vectors, never for a server:
// it allocates freely, compares secrets as it likes and takes no notice of time
// spent.
//
// # Lifetimes
//
// Every function is pure: no state is kept, arguments are not changed, and the
// moment of judgement is an argument in Unix milliseconds.
//
// # Concurrency
//
// Safe for any number of goroutines.
//
// # What is checked, in order
//
// A token: length, number of segments, JOSE header, kid, signature, state of the
// key, claims set, times, members of Ably's own namespace, clientId, capability.
// A token that carries another one: length, form, expiry, then the inner token as
// if it had come alone, then the one expiry against the other.
// A key: shape, app, key, secret, state. The order is part of the contract,
// because the first rule broken decides the answer that a client sees.
//
// Specifications: RFC 7515 (JWS), RFC 7516 (JWE, its shape), RFC 7519 (JWT),
// RFC 4648 §5 (base64url), RFC 8259 (JSON), RFC 8725 (JWT best practice), RFC 2104
// and RFC 6234 (HMAC-SHA256), and Ably's feature specification (RSA3 to RSA15, TD6, RTP8).
//
// Revocation of tokens and tokens issued by this server are not judged here.
package oracle

// Package engine verifies an Ably credential into a [Grant]: who presented it,
// what it allows and until when.
//
// The two calls you want are [NewVerifier] and [Verifier.VerifyToken]:
//
//	v, err := engine.NewVerifier(engine.Options{Keys: keys})
//	…
//	var g engine.Grant // reuse it: verification then allocates nothing
//	if err := v.VerifyToken(&g, token, engine.Now()); err != nil {
//		var info *engine.ErrorInfo // Ably's code, HTTP status and message
//		errors.As(err, &info)
//	}
//
// It implements Ably JWTs, Ably API keys and Ably TokenRequests as Ably documents
// them, on top of RFC 7515 (JWS), RFC 7519 (JWT) and RFC 7518 §3.2 (HS256, the only
// algorithm), and issues opaque Ably tokens: [Verifier.Redeem] verifies a
// TokenRequest, and an [Issuer] issues what it grants.
//
// # What is checked, in order
//
// Of a JWT: length; three segments; the JOSE header's spelling, form, alg, crit,
// typ and kid; the key; the signature; the key's state; header parameters
// reserved by Ably; the claims' spelling and form; iat, exp, nbf and the lifetime;
// claims reserved by Ably; the clientId; the capability; revocations; and what
// the capability has in common with the key's. Of an issued token: length and
// form; the key; the seal; the key's state; expiry and lifetime; the capability;
// revocations; and what it still has in common with the key's. Of a TokenRequest
// see [Verifier.Redeem]. The first check that fails decides. Nothing a credential
// says is believed before it has been authenticated.
//
// # Lifetimes
//
// All times are milliseconds since the Unix epoch, and the current time is an
// argument. What a Grant returns is a view that is good until the Grant is
// verified into again; [Grant.Clone] makes one that lasts. Of a Grant that is kept,
// [Grant.KeyError] and [Grant.Revocation] say what has become of its key since;
// package admission does so for connections.
//
// # Concurrency
//
// A Verifier is safe for concurrent use, replacing its keys included. A Grant
// belongs to one goroutine at a time.
package engine

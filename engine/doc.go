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
// It implements Ably JWTs and Ably API keys as Ably documents them, on top of
// RFC 7515 (JWS), RFC 7519 (JWT) and RFC 7518 §3.2 (HS256, the only algorithm).
//
// # What is checked, in order
//
// Length; three segments; the JOSE header's spelling, form, alg, crit, typ and
// kid; the key; the signature; the key's state; the claims' spelling and form;
// iat, exp, nbf and the lifetime; claims reserved by Ably; the clientId; the
// capability; revocations; and what the capability has in common with the
// key's. The first check that fails decides. Nothing a token says is believed
// before its signature has been verified.
//
// # Lifetimes
//
// All times are milliseconds since the Unix epoch, and the current time is an
// argument. What a Grant returns is a view that is good until the Grant is
// verified into again; [Grant.Clone] makes one that lasts.
//
// # Concurrency
//
// A Verifier is safe for concurrent use, replacing its keys included. A Grant
// belongs to one goroutine at a time.
package engine

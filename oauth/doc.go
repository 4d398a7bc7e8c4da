// Package oauth is an OAuth 2.0 authorization service (RFC 6749) whose clients can
// have two identifiers: a number, and an alias that is accepted wherever the number
// is. Operators who move from another authorization server give each client its old
// identifier as alias, and neither shipped apps nor resource servers change.
//
// It answers the calls of an authorization server, in the shape of Authlete's API:
// the server forwards what its client has sent, and each answer says which action to
// take. [Provider] finds the [Service] that a call is for, and a Service answers:
//
//	service, err := provider.ByToken(token)
//	answer, err := service.Token(ctx, &oauth.TokenRequest{Parameters: body}, now)
//
// # What it rests on
//
// Everything that is signed or sealed is made and verified by package engine, and
// what may be used once is spent in a store that the caller gives. This package
// holds the rules: which client a name means, what it may ask for, and in which
// order that is checked.
//
// # Concurrency
//
// A Provider is safe for concurrent use. Its services are one immutable snapshot: a
// call goes on with the one that it began with.
package oauth

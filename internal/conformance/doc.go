// Package conformance puts the credentials of internal/vectors to a server over
// HTTP, and compares its answers with those that they must get.
//
// The calls you want are [Run], and [Configuration] for what the server must know
// before.
//
// # What is asked
//
// Any server that speaks Ably's REST protocol can be asked, on [Ably]: an API key
// goes into Authorization: Basic (RSA11), a token into Authorization: Bearer, in
// base64 as the SDKs send it, or into access_token where it holds bytes that no
// header may; a clientId into X-Ably-ClientId (RSA7e). A vector without an
// operation asks for the status of a channel, and an admitted credential that may
// not have it must be told so. [Admit] is Portcullis' own endpoint, which answers
// for every operation.
//
// Status and Ably's error code are compared; messages are everybody's own.
//
// # Time
//
// The server's clock, as GET /time tells it, is the moment of judgement, and the
// credentials are made for it (vectors.AllAt). A vector whose answer would not
// stay the same for a minute is not sent, nor one that a surface cannot ask; the
// report counts them.
package conformance

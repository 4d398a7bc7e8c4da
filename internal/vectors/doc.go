// Package vectors holds credentials with the answer that each must get, one file
// per case, for every verifier in this module to be tried on.
//
// The calls you want are [All] for the vectors and [Vector.KeySet] for the keys to
// judge them by, and [AllAt] for vectors that are good at another time.
//
// # Files
//
// testdata/token has tokens, testdata/key API keys, testdata/admit either of them
// taken to a connection or a request, testdata/sample those that the command line
// explains. A file has lines of "directive: value".
// Empty lines and lines beginning with # are skipped. A value that begins with a
// double quote is a Go string literal, so that any bytes can be written; every
// other value is taken as it stands. A directive appears once, but for repeat.
//
//	comment          why the case exists; required
//	source           the RFC, CVE or item of Ably's specification behind it
//	keys             "weak": judged by WeakKeys, where appId.keyId has a short secret
//	now              moment of judgement, Unix milliseconds; 1700000100000 if absent
//
//	kid              kid of the default header, and the fixture key that signs
//	header           text of the JOSE header; default {"alg":"HS256","typ":"JWT","kid":"appId.keyId"}
//	claims           text of the claims set; there is no default
//	header-segment, payload-segment, signature-segment
//	                 one segment as it stands, instead of encoding or signing
//	secret           signing secret; default that of the fixture named by kid
//	mac              HS256 (default), HS384, HS512, or none for an empty signature
//	encrypted-segments
//	                 the four segments of a JWE that follow its header (RFC 7516 §7.1),
//	                 instead of claims and signature
//	prepend, append  bytes before and after the finished token
//	token            a whole token as it stands, instead of all the above
//	key              a whole API key, appId.keyId:secret
//	inner-…          any of the above for a token of its own, to which the text
//	                 <inner> in header, claims, segments or token refers; it can have
//	                 an inner one too, from inner-inner-…
//	repeat           MARK COUNT TEXT: MARK, wherever it occurs in header, claims,
//	                 segments, token, key, client-id or channel, becomes TEXT times COUNT
//
//	client-id        clientId requested at admission
//	channel, op      operation tried, and the channel it is tried on
//
//	expect           "admitted", or CODE/STATUS and the reason, as in 40144/401 bad_signature
//	expect-key-name, expect-client-id, expect-client-kind, expect-capability,
//	expect-issued, expect-expires
//	                 what an admitted credential grants, as far as it matters here;
//	                 expect-client-id alone means an identified client
//
// Whatever is not understood is an error that names file and line, so that a
// misspelt directive cannot turn a case into another one.
//
// # Lifetimes
//
// All reads files embedded in the program and composes the tokens anew each time;
// the caller owns what it returns.
//
// # Concurrency
//
// Safe for any number of goroutines.
package vectors

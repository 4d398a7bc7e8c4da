// Package fuzz holds the engine against properties that must not break, on
// inputs that a fuzzer makes up. Seeds are the vectors of internal/vectors.
//
//	target           property
//	FuzzToken        a token gets the verdict of the oracle, cold, cached and explained
//	FuzzClaims       so does a header and a claims set that are well signed
//	FuzzEmbedded     so does a token within one that nobody here can verify
//	FuzzSpelling     of an admitted token no byte can be changed, added or left out,
//	                 and a changed one that carries another grants no more than that
//	FuzzAccessToken  an access token of a service gets the verdict of the oracle, cold and
//	                 cached, and no Ably path takes it
//	FuzzCapability   parse, format, match and intersect obey their laws and the oracle
//	FuzzChannel      a channel name is read as the oracle reads it
//	FuzzSequences    through revocations, new keys and time, a cached verdict is that of no cache
//	FuzzTokenRequest a TokenRequest is read, redeemed or refused as the oracle does, and
//	                 its nonce spent only then
//	FuzzRoundTrip    what is minted, or requested and issued, is what was asked for
//	FuzzHTTP         raw bytes get no internal error, and no answer behind a request
//	                 whose end is in doubt
//
// With the build tag planted, the environment variable PLANTED_DEFECT puts one
// defect between a target and the engine; TestPlantedDefects holds that every
// property notices its own. A property that notices nothing guards nothing.
package fuzz

package oracle

import (
	"encoding/base64"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	innerExpires = int64(1700003600000)
	innerClaims  = `{"iat":1700000000,"exp":1700003600,"x-ably-clientId":"alice","x-ably-capability":"{\"a\":[\"subscribe\"]}"}`
)

// outer puts a header and a claims set around nothing in particular, since nobody
// here can tell who signed them.
func outer(header, claims string) string {
	return segment(header) + "." + segment(claims) + ".c2lnbmF0dXJl"
}

// jwe is what an encrypted token looks like to who cannot decrypt it.
func jwe(header string) string { return segment(header) + "..iv.ciphertext.tag" }

func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func carrying(token string) string { return `"x-ably-token":` + strconv.Quote(token) }

func TestEmbeddedGrantsWhatTheInnerTokenGrants(t *testing.T) {
	inner := token(header("appId.keyId"), innerClaims)
	want := VerifyToken(keys, inner, now)
	require.Equal(t, Verdict{
		KeyName: "appId.keyId", ClientID: "alice", ClientKind: Identified, Capability: `{"a":["subscribe"]}`,
		Issued: 1700000000000, Expires: innerExpires,
	}, want)
	in := carrying(inner)
	for name, text := range map[string]string{
		"header":                      outer(`{"alg":"RS256",`+in+`}`, `{}`),
		"header, no alg":              outer(`{`+in+`}`, `{}`),
		"header, what is ours":        token(`{"alg":"HS256","kid":"appId.keyId",`+in+`}`, `{}`),
		"header, wider rights around": outer(`{"alg":"none","kid":"appId.keyId",`+in+`}`, `{"x-ably-capability":"{\"*\":[\"*\"]}","x-ably-clientId":"*","iat":9}`),
		"header, nothing valid but":   outer(`{"alg":1,"kid":2,"typ":3,"crit":["x"],"x-ably-foo":4,`+in+`}`, `{"iat":[],"nbf":{},"a":1,"a":2}`),
		"claims":                      outer(`{"alg":"ES512","kid":"elsewhere"}`, `{`+in+`}`),
		"claims, HS256 of strangers":  outer(`{"alg":"HS256","kid":"nobody.keyId"}`, `{`+in+`}`),
		"claims, HS256 without kid":   outer(`{"alg":"HS256"}`, `{`+in+`}`),
		"claims, our kid, other alg":  outer(`{"alg":"HS512","kid":"appId.keyId"}`, `{`+in+`}`),
		"both":                        outer(`{"alg":"RS256",`+in+`}`, `{`+in+`}`),
		"unsigned":                    segment(`{"alg":"none",`+in+`}`) + "." + segment(`{}`) + ".",
		"signature no base64url":      segment(`{"alg":"none",`+in+`}`) + "." + segment(`{}`) + ".=!?",
		"JWE":                         jwe(`{"alg":"dir","enc":"A256GCM",` + in + `}`),
		"JWE, rest no base64url":      segment(`{`+in+`}`) + ".=.!.?.",
	} {
		require.Equal(t, want, VerifyToken(keys, text, now), name)
	}
}

// The outer expiry against an inner one of 1700003600000 ms.
func TestEmbeddedExpiry(t *testing.T) {
	in := carrying(token(header("appId.keyId"), innerClaims))
	for _, row := range []struct {
		exp     string
		expires int64
		reason  string
	}{
		{`1700003600`, innerExpires, ""},
		{`1700003599.999`, innerExpires - 1, ""},
		{`1700000100.001`, now + 1, ""},
		{`1700000100.0009`, 0, "embedded_outer_expired"},
		{`1700000100`, 0, "embedded_outer_expired"},
		{`0`, 0, "embedded_outer_expired"},
		{`1700003605`, innerExpires, ""},
		{`1700003605.0009`, innerExpires, ""},
		{`1700003605.001`, 0, "embedded_outer_later"},
		{`9007199254740992`, 0, "embedded_outer_later"},
		{`9007199254740993`, 0, "time_claim_invalid"},
		{`-1`, 0, "time_claim_invalid"},
		{`"1700003600"`, 0, "time_claim_invalid"},
		{`null`, 0, "time_claim_invalid"},
		{`1700003600,"exp":1700003600`, 0, "duplicate_name"},
	} {
		for place, text := range map[string]string{
			"header": outer(`{"alg":"RS256",`+in+`}`, `{"exp":`+row.exp+`}`),
			"claims": outer(`{"alg":"RS256"}`, `{"exp":`+row.exp+`,`+in+`}`),
		} {
			got := VerifyToken(keys, text, now)
			require.Equal(t, row.reason, got.Reason, "%s, exp %s", place, row.exp)
			require.Equal(t, row.expires, got.Expires, "%s, exp %s", place, row.exp)
		}
	}
}

func TestEmbeddedRefusals(t *testing.T) {
	const rs256 = `{"alg":"RS256"}`
	good := token(header("appId.keyId"), innerClaims)
	in := carrying(good)
	expired := token(header("appId.keyId"), `{"iat":1700000000,"exp":1700000100}`)
	nested := outer(`{"alg":"RS256",`+in+`}`, `{}`)
	for name, row := range map[string]struct{ text, reason string }{
		"number":                          {outer(`{"x-ably-token":1}`, `{}`), "embedded_malformed"},
		"null":                            {outer(`{"x-ably-token":null}`, `{}`), "embedded_malformed"},
		"object in the claims":            {outer(rs256, `{"x-ably-token":{}}`), "embedded_malformed"},
		"null in the claims":              {outer(rs256, `{"x-ably-token":null}`), "embedded_malformed"},
		"empty":                           {outer(`{"x-ably-token":""}`, `{}`), "embedded_malformed"},
		"no dot":                          {outer(`{"x-ably-token":"token"}`, `{}`), "embedded_malformed"},
		"three dots":                      {outer(`{"x-ably-token":"..."}`, `{}`), "embedded_malformed"},
		"a JWE within":                    {outer(`{`+carrying(jwe(`{`+in+`}`))+`}`, `{}`), "embedded_malformed"},
		"null, claims no JSON":            {outer(`{"x-ably-token":null}`, `{`), "claims_malformed"},
		"null, exp twice":                 {outer(`{"x-ably-token":null}`, `{"exp":1,"exp":1}`), "duplicate_name"},
		"number, exp no number":           {outer(rs256, `{"exp":null,"x-ably-token":1}`), "embedded_malformed"},
		"another in the claims":           {outer(`{`+in+`}`, `{`+carrying(good+"A")+`}`), "embedded_malformed"},
		"null in the claims too":          {outer(`{`+in+`}`, `{"x-ably-token":null}`), "embedded_malformed"},
		"twice in the header":             {outer(`{`+in+`,`+in+`}`, `{}`), "duplicate_name"},
		"twice in the claims":             {outer(rs256, `{`+in+`,`+in+`}`), "duplicate_name"},
		"twice in the claims, escaped":    {outer(rs256, `{`+in+`,"\u0078-ably-token":""}`), "duplicate_name"},
		"claims no base64url":             {segment(`{`+in+`}`) + ".e30=.", "base64_padding"},
		"claims no JSON":                  {outer(`{`+in+`}`, `{`), "claims_malformed"},
		"claims no object":                {outer(`{`+in+`}`, `[]`), "claims_malformed"},
		"no JSON and not in the header":   {outer(rs256, `{`+in), "alg_not_allowed"},
		"nowhere":                         {outer(rs256, `{"exp":1,"exp":"2"}`), "alg_not_allowed"},
		"nowhere, unknown app":            {outer(`{"alg":"HS256","kid":"nobody.x"}`, `{}`), "unknown_app"},
		"nowhere, no kid":                 {outer(`{"alg":"HS256"}`, `{}`), "kid_missing"},
		"nowhere, crit":                   {outer(`{"alg":"HS256","crit":[]}`, `{}`), "critical_header"},
		"nowhere, kid no name":            {outer(`{"alg":"HS256","kid":7}`, `{}`), "kid_invalid"},
		"nowhere, OAuth":                  {outer(`{"alg":"HS256","typ":"at+jwt","kid":"nobody.x"}`, `{}`), "typ_not_allowed"},
		"claims of a token of ours":       {token(header("appId.keyId"), `{"iat":1700000000,"exp":1700003600,`+in+`}`), "claim_invalid"},
		"the same, forged":                {outer(header("appId.keyId"), `{`+in+`}`), "bad_signature"},
		"the same, unknown key":           {outer(header("appId.nobody"), `{`+in+`}`), "unknown_key"},
		"nested twice":                    {outer(`{`+carrying(nested)+`}`, `{}`), "embedded_token"},
		"nested in the claims":            {outer(rs256, `{`+carrying(outer(rs256, `{`+in+`}`))+`}`), "embedded_token"},
		"nested null":                     {outer(`{`+carrying(outer(`{"x-ably-token":null}`, `{}`))+`}`, `{}`), "embedded_token"},
		"inner with the claim":            {outer(`{`+carrying(token(header("appId.keyId"), `{"iat":1700000000,"exp":1700003600,`+in+`}`))+`}`, `{}`), "claim_invalid"},
		"inner opaque":                    {outer(`{`+carrying("appId.opaque")+`}`, `{}`), "ably_token_invalid"},
		"inner expired":                   {outer(`{`+carrying(expired)+`}`, `{}`), "token_expired"},
		"inner expired, outer too":        {outer(`{`+carrying(expired)+`}`, `{"exp":1}`), "embedded_outer_expired"},
		"inner forged, outer far later":   {outer(`{`+carrying(good[:len(good)-2]+"AA")+`}`, `{"exp":2000000000}`), "bad_signature"},
		"nested twice, outer expired":     {outer(`{`+carrying(nested)+`}`, `{"exp":1}`), "embedded_outer_expired"},
		"not a token, outer expired":      {outer(`{"x-ably-token":"token"}`, `{"exp":1}`), "embedded_malformed"},
		"JWE with nothing":                {jwe(`{"alg":"dir"}`), "jwt_segments"},
		"JWE with a number":               {jwe(`{"x-ably-token":1}`), "embedded_malformed"},
		"six segments":                    {jwe(`{`+in+`}`) + ".", "jwt_segments"},
		"four segments":                   {segment(`{`+in+`}`) + "...", "jwt_segments"},
		"JWE whose header is no JSON":     {jwe(`{`), "header_malformed"},
		"JWE whose header is no base64":   {"e30=....", "base64_padding"},
		"JWE whose header repeats a name": {jwe(`{` + in + `,` + in + `}`), "duplicate_name"},
	} {
		got := VerifyToken(keys, row.text, now)
		require.Equal(t, row.reason, got.Reason, name)
		require.Empty(t, got.KeyName, name)
	}
	for reason, code := range map[string]Code{
		"embedded_token": {40144, 401}, "embedded_malformed": {40144, 401}, "embedded_outer_expired": {40142, 401}, "embedded_outer_later": {40144, 401},
	} {
		require.Equal(t, code, Codes()[reason], reason)
	}
}

package engine

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// failed returns the step that failed and what is said about it.
func failed(t *testing.T, x *Explanation) (Step, string) {
	t.Helper()
	require.NotNil(t, x.Err)
	for _, c := range x.Checks {
		if c.Outcome == Failed {
			return c.Step, c.Detail
		}
	}
	t.Fatal("nothing failed")
	return 0, ""
}

func TestAnExplanationSaysWhatIsWrongAndNothingElse(t *testing.T) {
	v := newTestVerifier(t, Options{Keys: []Key{testKey(), {Name: "appId.off", Secret: testSecret, State: Disabled}, {Name: "appId.revoked", Secret: testSecret, State: Revoked}}})
	v.Revoke("appId.keyId", Revocation{RevokeClientID, "mallory", testNow + 1, testNow})
	token := func(header, claims string) []byte { return []byte(phpForm(header, claims, base64.RawURLEncoding)) }
	const header, times = `{"alg":"HS256","kid":"appId.keyId"}`, `"iat":1700000000,"exp":1700003600`
	for name, c := range map[string]struct {
		token  []byte
		step   Step
		says   []string
		silent []string
	}{
		"a misspelt claim":     {token(header, `{`+times+`,"x-ably-clientid":"a"}`), StepAblyClaims, []string{`"x-ably-clientid" is not known (did you mean x-ably-clientId?)`}, nil},
		"a misspelt parameter": {token(`{"alg":"HS256","kid":"appId.keyId","x-ably-tokn":"a"}`, `nonsense`), StepAblyHeader, []string{`"x-ably-tokn" is not known (did you mean x-ably-token?)`}, nil},
		"a disabled key":       {token(`{"alg":"HS256","kid":"appId.off"}`, `{`+times+`}`), StepKeyState, []string{"disabled"}, []string{"active"}},
		"a revoked token":      {token(header, `{`+times+`,"x-ably-clientId":"mallory"}`), StepRevocation, []string{"covers this token"}, []string{"none applies"}},
		"a bad clientId":       {token(header, `{`+times+`,"x-ably-clientId":"a*b"}`), StepTokenClientID, []string{"*"}, []string{"anonymous"}},
		"a bad capability":     {token(header, `{`+times+`,"x-ably-capability":"{x"}`), StepCapability, []string{"operation"}, []string{"none claimed"}},
		"milliseconds":         {token(header, `{"iat":1700000000,"exp":1700003600000}`), StepTime, []string{"milliseconds instead of seconds?"}, nil},
		"another secret":       {append(token(header, `{`+times+`}`)[:100], make43('A')...), StepSignature, nil, []string{"HMAC-SHA256 over"}},
		"a device token":       {[]byte("appId.AQIA"), StepCredential, []string{"is no credential to connect with", "device token, 10 bytes", "refused as such too"}, []string{"good"}},
		"an opaque token":      {[]byte("appId.AAAA"), StepCredential, []string{"opaque token, 10 bytes"}, []string{"sealed by this server"}},
	} {
		step, says := failed(t, v.ExplainToken(c.token, testNow))
		if name != "another secret" {
			require.Equal(t, c.step, step, "%s: %s", name, says)
		}
		for _, text := range c.says {
			require.Contains(t, says, text, name)
		}
		for _, text := range c.silent {
			require.NotContains(t, says, text, name)
		}
	}
	step, says := failed(t, v.ExplainKey([]byte("appId.keyId:wrong"), testNow))
	require.Equal(t, StepSignature, step)
	require.NotContains(t, says, "is the key's")
	step, says = failed(t, v.ExplainKey([]byte("appId.revoked:"+testSecret), testNow))
	require.Equal(t, StepKeyState, step)
	require.NotContains(t, says, "active")
	require.Equal(t, "active", v.ExplainKey([]byte("appId.keyId:"+testSecret), testNow).Checks[3].Detail)
}

func TestAnExplanationReadsEverySpelling(t *testing.T) {
	v := newTestVerifier(t, Options{Tokens: TokenRules{Spelling: DocumentedSpelling}})
	x := v.ExplainToken([]byte(phpForm(phpHeader, phpClaims, base64.StdEncoding)), testNow)
	require.Nil(t, x.Err)
	var all []string
	for _, c := range x.Checks {
		all = append(all, c.Detail)
	}
	text := strings.Join(all, "\n")
	require.Contains(t, text, `kid "appId.keyId"`)
	require.Contains(t, text, `names: "iat", "exp", "x-ably-clientId"`)
}

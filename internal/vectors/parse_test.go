package vectors

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	v, err := parse("f", `# a comment
comment: why
source: RFC 0

kid: appId.k1
claims: {"a":"@"}
repeat: @ 3 xy
now: 5
expect: admitted
expect-capability: {"a":["*"]}
expect-client-kind: identified
expect-client-id: "a\x00"
`)
	require.NoError(t, err)
	require.Equal(t, "why", v.Comment)
	require.Equal(t, "RFC 0", v.Source)
	require.Equal(t, int64(5), v.Now)
	require.Equal(t, Want{Admitted: true, Capability: `{"a":["*"]}`, ClientKind: Identified, ClientID: "a\x00"}, v.Want)
	require.Contains(t, string(v.Token), "."+encode(`{"a":"xyxyxy"}`)+".")

	v, err = parse("f", "comment: why\nkey: \"a.b:\\xff\"\nexpect: 40005/400 malformed_key\n")
	require.NoError(t, err)
	require.Equal(t, []byte("a.b:\xff"), v.Key)
	require.Nil(t, v.Token)
	require.Equal(t, int64(DefaultNow), v.Now)
	require.Equal(t, Want{Code: 40005, Status: 400, Reason: "malformed_key"}, v.Want)

	v, err = parse("f", "comment: why\ntoken: \"\"\nexpect: 40005/400 malformed_token\n")
	require.NoError(t, err)
	require.NotNil(t, v.Token, "an empty token is a token")
}

func TestParseInner(t *testing.T) {
	v, err := parse("f", `comment: why
header: {"h":"<inner>"}
claims: {"c":"<inner>"}
secret: s
inner-kid: appId.k1
inner-claims: {"a":"@<inner>"}
inner-inner-token: deepest
repeat: @ 3 xy
expect: admitted
`)
	require.NoError(t, err)
	inner, err := compose(document{"kid": "appId.k1", "claims": `{"a":"xyxyxydeepest"}`}, Keys())
	require.NoError(t, err)
	want, err := compose(document{"header": `{"h":"` + string(inner) + `"}`, "claims": `{"c":"` + string(inner) + `"}`, "secret": "s"}, Keys())
	require.NoError(t, err)
	require.Equal(t, string(want), string(v.Token))

	v, err = parse("f", "comment: why\nheader: {\"h\":\"<inner>\"}\nencrypted-segments: a.b.c.d\ninner-token: x\nappend: .e\nexpect: admitted\n")
	require.NoError(t, err)
	require.Equal(t, encode(`{"h":"x"}`)+".a.b.c.d.e", string(v.Token))
}

func TestParseRefuses(t *testing.T) {
	const rest = "comment: why\nexpect: admitted\n"
	for text, message := range map[string]string{
		"expect: admitted\ntoken: a\n":                                         "f: comment missing",
		"comment: why\ntoken: a\n":                                             "f: expect: want admitted",
		rest + "tokn: a\n":                                                     `f:3: unknown directive "tokn"`,
		rest + "token a\n":                                                     "f:3: not of the form",
		rest + "token:a\n":                                                     "f:3: not of the form",
		rest + "token: a \n":                                                   "f:3: token: a value with white space",
		rest + "token: a\r\n":                                                  "f:3: token: a value with white space",
		rest + "token: \n":                                                     "f:3: token: a value with white space",
		rest + "token: \"a\n":                                                  "f:3: token: bad string literal",
		rest + "token: a\ntoken: b\n":                                          "f:4: token appears twice",
		rest + "repeat: @ x\ntoken: @\n":                                       "f:3: repeat: want MARK COUNT TEXT",
		rest + "repeat: @ 0 x\ntoken: @\n":                                     "f:3: repeat: bad count",
		rest + "repeat: @ 2 x\ntoken: a\n":                                     "f: repeat: @ occurs nowhere",
		rest + "token: a\nkey: b\n":                                            "f: one of token, key",
		rest + "token: a\nclaims: {}\n":                                        "f: one of token, key",
		rest + "key: a\nappend: b\n":                                           "f: one of token, key",
		rest:                                                                   "f: neither claims nor payload-segment",
		rest + "header: {}\nkid: a\nclaims: {}\n":                              "f: kid and header exclude",
		rest + "header: {}\nheader-segment: a\nclaims: {}\n":                   "f: header and header-segment exclude",
		rest + "claims: {}\npayload-segment: a\n":                              "f: claims and payload-segment exclude",
		rest + "claims: {}\nmac: HS256\nsignature-segment: a\n":                "f: mac and signature-segment exclude",
		rest + "claims: {}\nmac: HS1\n":                                        "f: mac: unknown algorithm",
		rest + "encrypted-segments: a\nclaims: {}\n":                           "f: encrypted-segments and claims exclude",
		rest + "encrypted-segments: a\nmac: none\n":                            "f: encrypted-segments and mac exclude",
		rest + "token: a\ninner-token: b\n":                                    "f: <inner> occurs nowhere",
		rest + "token: a<inner>\n":                                             "f: <inner> stands for nothing",
		rest + "token: <inner>\ninner-kid: b\n":                                "f: inner token: neither claims",
		rest + "token: <inner>\ninner-token: b\ninner-mac: none\n":             "f: inner token: one of token, key",
		rest + "token: <inner>\ninner-key: b\n":                                `f:4: unknown directive "inner-key"`,
		rest + "token: <inner>\ninner-expect: admitted\n":                      `f:4: unknown directive "inner-expect"`,
		rest + "key: a\ninner-token: b\n":                                      "f: one of token, key",
		rest + "token: a\nkeys: strong\n":                                      "f: keys: unknown set",
		rest + "token: a\nnow: soon\n":                                         "f: now: not a number",
		rest + "token: a\nop: publish\n":                                       "f: op and channel go together",
		rest + "token: a\nop: fly\nchannel: a\n":                               "f: op: unknown operation",
		rest + "token: a\nexpect-client-kind: king\n":                          "f: expect-client-kind: unknown kind",
		rest + "token: a\nexpect-client-id: a\nexpect-client-kind: wildcard\n": "f: expect-client-id goes with",
		rest + "token: a\nexpect-client-kind: identified\n":                    "f: expect-client-id goes with",
		rest + "token: a\nexpect-issued: x\n":                                  "f: expect-issued: not a number",
		rest + "token: a\nexpect-expires: x\n":                                 "f: expect-expires: not a number",
		rest + "token: a\nexpect-key-name: \"\"\n":                             "f: expect-key-name: empty",
		"comment: why\nexpect: 40144 bad_signature\ntoken: a\n":                "f: expect: want admitted",
		"comment: a\nexpect: 40144/401 x\ntoken: a\n" + "expect-issued: 1\n":   "f: a refusal grants nothing",
	} {
		_, err := parse("f", text)
		require.ErrorContains(t, err, message, text)
	}
}

func TestPlaces(t *testing.T) {
	token, key := Vector{Token: []byte("a")}, Vector{Key: []byte("a")}
	require.NoError(t, checkPlace(token, "token"))
	require.NoError(t, checkPlace(key, "key"))
	require.NoError(t, checkPlace(key, "admit"))
	require.Error(t, checkPlace(key, "token"))
	require.Error(t, checkPlace(token, "key"))
	require.Error(t, checkPlace(token, "elsewhere"))
	token.Op = "publish"
	require.Error(t, checkPlace(token, "token"))
}

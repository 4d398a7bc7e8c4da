package engine

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// spends is a Spender in memory that answers as it is told.
type spends struct {
	seen  map[[16]byte]bool
	down  bool
	calls int
	last  Nonce
}

func (s *spends) Spend(_ context.Context, n *Nonce) (SpendOutcome, time.Duration) {
	s.calls++
	s.last = *n
	if s.down {
		return Unknown, 3 * time.Second
	}
	if s.seen[n.Key] {
		return Replayed, 0
	}
	if s.seen == nil {
		s.seen = make(map[[16]byte]bool)
	}
	s.seen[n.Key] = true
	return Fresh, 0
}

// The MACs of Ably's TokenRequest specification's form, computed independently:
// ttl, capability, clientId and nonce under two secrets.
func TestTokenRequestMACs(t *testing.T) {
	const stamped = 1_700_000_000_000
	for _, c := range []struct{ ttl, capability, clientID, nonce, weak, strong string }{
		{"", "", "", "1234567890123456", "mdESsezbFQ7oeYYShNlfTFQmRiOrCLmj20uitgeTE0Y=", "/fEmhwX55WD2k1FZHl0D2NE9C1yVBFCVbubGHn9iUN0="},
		{"3600000", `{"*":["*"]}`, "", "1234567890123456", "xyqmKHl8aj/x3JrshCB9bM0ZK7SB6LGg06lCIMLd7o4=", "+8SaucUmDDXYbEn09aj3uvJK9HG4mNwTPVhgBBnWSgg="},
		{"100000", `{"a":["publish","subscribe"],"b:*":["history"]}`, "test client id", "1234567890123456", "f5aFMCt/O2UhBKDAGmmsewG9SfxW+GqR82Xwvfjsc6k=", "WD3kESyvArsWkEjaPQWaVZeuP0AMwb9PMdDETmnGqWc="},
		{"3600000", `{"*":["*"]}`, "josé", "abcdefghijklmnop", "u1v2LEEYbaQTgfEgOP/UgItaNyviygGalfokliVz/z4=", "edCZ5tDOt/LD0wVy1TcGCxe7vXmVl01Sa42K+eQAHJs="},
	} {
		for secret, mac := range map[Secret]string{"s3cr3t": c.weak, testSecret: c.strong} {
			v := newTestVerifier(t, Options{Keys: []Key{{Name: "appId.keyId", Secret: secret}}, Tokens: TokenRules{AllowWeakSecrets: true}})
			for _, asText := range []bool{false, true} {
				fields := map[string]any{"keyName": "appId.keyId", "timestamp": stamped, "nonce": c.nonce, "mac": mac}
				if asText {
					fields["timestamp"] = fmt.Sprint(stamped)
				}
				if c.ttl != "" {
					fields["ttl"] = json.Number(c.ttl)
					if asText {
						fields["ttl"] = c.ttl
					}
				}
				if c.capability != "" {
					fields["capability"] = c.capability
				}
				if c.clientID != "" {
					fields["clientId"] = c.clientID
				}
				var g Grant
				require.NoError(t, v.Redeem(t.Context(), &g, request(t, fields), new(spends), stamped+1000), "%+v", c)
				require.Equal(t, c.clientID, string(g.Identity().ID))
				want := UnixMilli(3_600_000)
				if c.ttl == "100000" {
					want = 100_000
				}
				require.Equal(t, want, g.Expires()-g.Issued())
				require.Equal(t, UnixMilli(stamped+1000), g.Issued())
			}
			// And our own signer writes the same.
			s, err := NewSigner("appId.keyId:" + secret)
			require.NoError(t, err)
			var ttl time.Duration
			_, _ = fmt.Sscan(c.ttl, (*int64)(&ttl))
			text, err := s.AppendTokenRequest(nil, &TokenRequestParams{Timestamp: stamped, TTL: ttl * time.Millisecond, ClientID: c.clientID, Capability: c.capability, Nonce: c.nonce})
			require.NoError(t, err)
			require.Contains(t, string(text), `"mac":"`+mac+`"`)
		}
	}
}

// request makes a TokenRequest of JSON fields.
func request(t testing.TB, fields map[string]any) *TokenRequest {
	t.Helper()
	text, err := json.Marshal(fields)
	require.NoError(t, err)
	r := new(TokenRequest)
	require.NoError(t, ParseTokenRequest(r, text), "%s", text)
	return r
}

// signFields signs whatever the fields hold, as a client that holds the secret
// but keeps to no rule could.
func signFields(fields map[string]any) map[string]any {
	text := func(name string) string {
		if v, ok := fields[name]; ok {
			return fmt.Sprint(v)
		}
		return ""
	}
	ttl := text("ttl")
	if ttl == "0" {
		ttl = ""
	}
	signed := strings.Join([]string{text("keyName"), ttl, text("capability"), text("clientId"), text("timestamp"), text("nonce"), ""}, "\n")
	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write([]byte(signed))
	fields["mac"] = base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return fields
}

// with returns the fields of a good request, changed.
func with(changes ...any) map[string]any {
	fields := map[string]any{"keyName": "appId.keyId", "timestamp": int64(testNow), "nonce": "a nonce of 16 or more"}
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == nil {
			delete(fields, changes[i].(string))
		} else {
			fields[changes[i].(string)] = changes[i+1]
		}
	}
	return fields
}

func TestRedeemRefuses(t *testing.T) {
	keys := []Key{
		testKey(), {Name: "appId.revocable", Secret: testSecret, RevocableTokens: true}, {Name: "appId.narrow", Secret: testSecret, Capability: set(t, `{"a":["publish"]}`)},
		{Name: "appId.verifyonly", Secret: testSecret, State: VerifyOnly}, {Name: "appId.disabled", Secret: testSecret, State: Disabled},
		{Name: "appId.revoked", Secret: testSecret, State: Revoked}, {Name: "appId.expired", Secret: testSecret, NotAfter: testNow},
	}
	v := newTestVerifier(t, Options{Keys: keys})
	for name, c := range map[string]struct {
		fields map[string]any
		want   error // nil: redeemed
	}{
		"as it should be":                   {with(), nil},
		"another capability spelling":       {with("capability", `{ "b":["subscribe","publish"], "a":["*"] }`), nil},
		"a wildcard clientId":               {with("clientId", "*"), nil},
		"an empty clientId is none":         {with("clientId", ""), nil},
		"an empty capability is none":       {with("capability", ""), nil},
		"ttl 0 is the default":              {with("ttl", 0), nil},
		"ttl 1":                             {with("ttl", 1), nil},
		"a day":                             {with("ttl", 86_400_000), nil},
		"an hour, revocable":                {with("keyName", "appId.revocable", "ttl", 3_600_000), nil},
		"two minutes early":                 {with("timestamp", int64(testNow)-120_000), nil},
		"two minutes late":                  {with("timestamp", int64(testNow)+120_000), nil},
		"16 characters of more bytes":       {with("nonce", strings.Repeat("é", 16)), nil},
		"more than two minutes early":       {with("timestamp", int64(testNow)-120_001), ErrTimestamp},
		"more than two minutes late":        {with("timestamp", int64(testNow)+120_001), ErrTimestamp},
		"timestamp 0":                       {with("timestamp", 0), ErrTimestamp},
		"more than a day":                   {with("ttl", 86_400_001), ErrRequestedTTL},
		"more than an hour, revocable":      {with("keyName", "appId.revocable", "ttl", 3_600_001), ErrRequestedTTL},
		"a negative ttl":                    {with("ttl", -1), ErrRequestedTTL},
		"a ttl in words":                    {with("ttl", "notanumber"), ErrRequestedTTL},
		"a ttl with a fraction":             {with("ttl", json.Number("1.5")), ErrRequestedTTL},
		"a year":                            {with("ttl", 31_536_000_000), ErrRequestedTTL},
		"an unknown app":                    {with("keyName", "nobody.keyId"), ErrUnknownApp},
		"an unknown key":                    {with("keyName", "appId.nobody"), ErrUnknownKey},
		"a key that only verifies":          {with("keyName", "appId.verifyonly"), ErrKeyVerifyOnly},
		"a disabled key":                    {with("keyName", "appId.disabled"), ErrKeyDisabled},
		"a revoked key":                     {with("keyName", "appId.revoked"), ErrKeyRevoked},
		"an expired key":                    {with("keyName", "appId.expired"), ErrKeyExpired},
		"no keyName":                        {with("keyName", nil), ErrTokenRequest},
		"no timestamp":                      {with("timestamp", nil), ErrTokenRequest},
		"no nonce":                          {with("nonce", nil), ErrTokenRequest},
		"a nonce of 15":                     {with("nonce", "123456789012345"), ErrTokenRequest},
		"a timestamp in words":              {with("timestamp", "now"), ErrTokenRequest},
		"a timestamp with leading zeros":    {with("timestamp", "01700000100000"), ErrTokenRequest},
		"a line feed in keyName":            {with("keyName", "appId.keyId\n"), ErrTokenRequest},
		"a line feed in the nonce":          {with("nonce", "1700000000000\nabcdefghijklmnop"), ErrTokenRequest},
		"a NUL in the nonce":                {with("nonce", "1700000000000\x00abcdefghijklmnop"), ErrTokenRequest},
		"a line feed in ttl":                {with("ttl", "1\n"), ErrTokenRequest},
		"a line feed in clientId":           {with("clientId", "\nadmin"), ErrRequestClientID},
		"a line feed behind the capability": {with("capability", "{\"room\":[\"subscribe\"]}\n", "clientId", "admin"), ErrCapability},
		"a space before the capability":     {with("capability", ` {"room":["subscribe"]}`), ErrCapability},
		"a capability that is no JSON":      {with("capability", `{room}`), ErrCapability},
		"an unknown operation":              {with("capability", `{"channel0":["publish_"]}`), ErrCapability},
		"the wildcard among others":         {with("capability", `{"channel0":["*","publish"]}`), ErrCapability},
		"no operations":                     {with("capability", `{"channel0":[]}`), ErrCapability},
		"no resources":                      {with("capability", `{}`), ErrNothingGranted},
		"nothing that the key has":          {with("keyName", "appId.narrow", "capability", `{"b":["publish"]}`), ErrNothingGranted},
		"a clientId with a star":            {with("clientId", "a*"), ErrRequestClientID},
		"a long clientId":                   {with("clientId", strings.Repeat("x", 257)), ErrRequestClientID},
	} {
		t.Run(name, func(t *testing.T) {
			store := new(spends)
			var g Grant
			err := v.Redeem(t.Context(), &g, request(t, signFields(c.fields)), store, testNow)
			if c.want == nil {
				require.NoError(t, err)
				require.Equal(t, 1, store.calls)
				return
			}
			require.ErrorIs(t, err, c.want)
			require.Zero(t, store.calls, "a request that is refused costs the store nothing")
			requireDenies(t, &g)
		})
	}
}

func TestTheMACDecidesBeforeAnythingElse(t *testing.T) {
	v := newTestVerifier(t, Options{})
	store := new(spends)
	for name, fields := range map[string]map[string]any{
		"a wrong mac":           with("mac", strings.Repeat("A", 43)+"="),
		"another field changed": func() map[string]any { f := signFields(with()); f["clientId"] = "admin"; return f }(),
		"a mac without padding": func() map[string]any {
			f := signFields(with())
			f["mac"] = strings.TrimRight(f["mac"].(string), "=")
			return f
		}(),
		"a mac in base64url": func() map[string]any {
			f := signFields(with())
			f["mac"] = strings.NewReplacer("+", "-", "/", "_").Replace(f["mac"].(string)) + " "
			return f
		}(),
		"and a bad timestamp":  with("mac", "x", "timestamp", 0),
		"and a bad ttl":        with("mac", "x", "ttl", -1),
		"and a bad capability": with("mac", "x", "capability", `{"a":["fly"]}`),
		"a longer capability": func() map[string]any {
			f := signFields(with("capability", `{"a":["publish"]}`))
			f["capability"] = `{"a":["publish"],"b":["publish"]}`
			return f
		}(),
	} {
		err := v.Redeem(t.Context(), new(Grant), request(t, fields), store, testNow)
		require.ErrorIs(t, err, ErrMAC, name)
	}
	require.ErrorIs(t, v.Redeem(t.Context(), new(Grant), request(t, with()), store, testNow), ErrNoCredentials, "unsigned")
	require.Zero(t, store.calls)
}

// What is signed may be the capability as it is sent or its canonical text; what
// is granted is read from the text that was signed.
func TestEitherSpellingOfACapabilityMayBeSigned(t *testing.T) {
	v := newTestVerifier(t, Options{})
	const canonical, other = `{"a":["publish","subscribe"],"b":["*"]}`, `{ "b":["*"], "a":["subscribe","publish"] }`
	signedCanonically := signFields(with("capability", canonical))
	signedCanonically["capability"] = other
	for name, fields := range map[string]map[string]any{
		"verbatim": signFields(with("capability", other)), "canonical": signedCanonically,
	} {
		store := new(spends)
		var g Grant
		require.NoError(t, v.Redeem(t.Context(), &g, request(t, fields), store, testNow), name)
		require.Equal(t, canonical, string(g.AppendCapability(nil)))
		// One nonce, whatever the spelling.
		require.ErrorIs(t, v.Redeem(t.Context(), &g, request(t, signFields(with("capability", canonical))), store, testNow), ErrNonceReplayed)
		requireDenies(t, &g)
	}
}

func TestANonceIsSpentOnce(t *testing.T) {
	v := newTestVerifier(t, Options{Keys: []Key{testKey(), {Name: "appId.other", Secret: testSecret}}})
	store := new(spends)
	var g Grant
	r := request(t, signFields(with()))
	require.NoError(t, v.Redeem(t.Context(), &g, r, store, testNow))
	require.Equal(t, testNow+130_000, store.last.Expires, "the window and twice the clocks' difference")
	require.ErrorIs(t, v.Redeem(t.Context(), &g, r, store, testNow), ErrNonceReplayed)
	require.NoError(t, v.Redeem(t.Context(), &g, request(t, signFields(with("keyName", "appId.other"))), store, testNow), "under another key it is another nonce")

	store.down = true
	err := v.Redeem(t.Context(), &g, request(t, signFields(with("nonce", "another nonce of 16"))), store, testNow)
	require.ErrorIs(t, err, ErrUnavailable)
	var info *ErrorInfo
	require.True(t, errors.As(err, &info))
	require.Equal(t, 3*time.Second, info.RetryAfter())
	requireDenies(t, &g)
}

func TestAnUnsignedRequestNeedsTheKeyItself(t *testing.T) {
	v := newTestVerifier(t, Options{})
	store := new(spends)
	var key, token, g Grant
	require.NoError(t, v.VerifyKey(&key, []byte("appId.keyId:"+testSecret), testNow))
	require.NoError(t, v.VerifyToken(&token, []byte(testToken), testNow))
	unsigned := request(t, with("nonce", nil, "clientId", "alice", "ttl", "1000"))
	require.NoError(t, v.RedeemWithKey(t.Context(), &g, unsigned, &key, store, testNow))
	require.Equal(t, "alice", string(g.Identity().ID))
	require.Zero(t, store.calls, "no nonce, nothing to spend")
	require.ErrorIs(t, v.RedeemWithKey(t.Context(), &g, unsigned, &token, store, testNow), ErrBasicNeeded)
	require.ErrorIs(t, v.RedeemWithKey(t.Context(), &g, unsigned, new(Grant), store, testNow), ErrBasicNeeded)
	require.ErrorIs(t, v.RedeemWithKey(t.Context(), &g, request(t, with("keyName", "appId.other")), &key, store, testNow), ErrKeyMismatch)
	require.ErrorIs(t, v.RedeemWithKey(t.Context(), &g, request(t, with("timestamp", 0)), &key, store, testNow), ErrTimestamp)
	require.NoError(t, v.RedeemWithKey(t.Context(), &g, request(t, with()), &key, store, testNow))
	require.ErrorIs(t, v.RedeemWithKey(t.Context(), &g, request(t, with()), &key, store, testNow), ErrNonceReplayed)
}

func TestParseTokenRequestRefuses(t *testing.T) {
	for text, want := range map[string]error{
		``: ErrTokenRequest, `null`: ErrTokenRequest, `[]`: ErrTokenRequest, `"x"`: ErrTokenRequest, `{"keyName":1}`: ErrTokenRequest,
		`{"timestamp":true}`: ErrTokenRequest, `{"nonce":1234567890123456}`: ErrTokenRequest, `{"mac":{}}`: ErrTokenRequest,
		`{"capability":{"a":["*"]}}`: ErrTokenRequest, `{"clientId":1}`: ErrRequestClientID, `{"clientId":["a"]}`: ErrRequestClientID,
		`{"ttl":[1]}`: ErrTokenRequest, `{"keyName":"a","keyName":"b"}`: ErrTokenRequest, `{"keyName":"a","\u006beyName":"b"}`: ErrTokenRequest,
		`{"keyName":"a"}x`: ErrTokenRequest, "{\"keyName\":\"\xff\"}": ErrTokenRequest,
	} {
		r := TokenRequest{KeyName: []byte("left over")}
		require.ErrorIs(t, ParseTokenRequest(&r, []byte(text)), want, text)
		require.Empty(t, r.KeyName, text)
	}
	var r TokenRequest
	require.NoError(t, ParseTokenRequest(&r, []byte(`{"keyName":"a.b","KEYNAME":"other","ttl":null,"clientId":null,"capability":null,"nonce":null,"mac":null,"extra":[1]}`)))
	require.Equal(t, "a.b", string(r.KeyName))
	require.False(t, r.Signed())
}

func TestRedeemingAllocatesNothingBeforeTheStore(t *testing.T) {
	v := newTestVerifier(t, Options{})
	text, err := json.Marshal(signFields(with("capability", `{"a":["publish"],"b":["subscribe"]}`, "clientId", "alice", "ttl", 1000)))
	require.NoError(t, err)
	var g Grant
	var r TokenRequest
	ctx := t.Context()
	store := &alwaysFresh{}
	requireNoAllocs(t, func() error {
		if err := ParseTokenRequest(&r, text); err != nil {
			return err
		}
		return v.Redeem(ctx, &g, &r, store, testNow)
	})
}

type alwaysFresh struct{}

func (*alwaysFresh) Spend(context.Context, *Nonce) (SpendOutcome, time.Duration) { return Fresh, 0 }

package engine

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/chacha20poly1305"

	"portcullis/capability"
)

func sealSecret(t testing.TB, text Secret) SealSecret {
	t.Helper()
	s, err := NewSealSecret(text)
	require.NoError(t, err)
	return s
}

const (
	sealOne = Secret("the first sealing secret, of 32 bytes")
	sealTwo = Secret("the second sealing secret, of 32 bytes")
)

// issue redeems a request and issues its token.
func issue(t testing.TB, v *Verifier, fields map[string]any, now UnixMilli) *TokenDetails {
	t.Helper()
	var g Grant
	require.NoError(t, v.Redeem(t.Context(), &g, request(t, signFields(fields)), new(spends), now))
	d := new(TokenDetails)
	require.NoError(t, NewIssuer().Issue(d, &g))
	return d
}

func TestAnIssuedTokenIsWhatWasAskedFor(t *testing.T) {
	seal := []SealSecret{sealSecret(t, sealOne)}
	for _, cacheBytes := range []int64{0, 1 << 20} {
		v := newTestVerifier(t, Options{Seal: seal, CacheBytes: cacheBytes})
		for _, c := range []struct {
			fields     map[string]any
			capability string
			clientID   string
			kind       IdentityKind
			ttl        UnixMilli
		}{
			{with(), `{"*":["*"]}`, "", Anonymous, 3_600_000},
			{with("clientId", "alice", "ttl", 1), `{"*":["*"]}`, "alice", Identified, 1},
			{with("clientId", "*", "capability", `{ "b":["subscribe"],"a":["*"] }`, "ttl", "86400000"), `{"a":["*"],"b":["subscribe"]}`, "", Wildcard, 86_400_000},
			{with("clientId", strings.Repeat("é", 128), "ttl", 123), `{"*":["*"]}`, strings.Repeat("é", 128), Identified, 123},
		} {
			d := issue(t, v, c.fields, testNow)
			require.True(t, strings.HasPrefix(string(d.Token), "appId."))
			require.Equal(t, 1, bytes.Count(d.Token, []byte{'.'}))
			var g Grant
			for range 3 {
				require.NoError(t, v.VerifyToken(&g, d.Token, testNow+c.ttl-1))
				v.WaitCache()
			}
			require.Equal(t, cacheBytes > 0, g.FromCache())
			require.Equal(t, c.capability, string(d.Capability))
			require.Equal(t, c.capability, string(g.AppendCapability(nil)))
			require.Equal(t, Identity{c.kind, nilIfEmpty(c.clientID)}, g.Identity())
			require.Equal(t, [2]UnixMilli{testNow, testNow + c.ttl}, [2]UnixMilli{g.Issued(), g.Expires()})
			require.Equal(t, [2]UnixMilli{d.Issued, d.Expires}, [2]UnixMilli{g.Issued(), g.Expires()})
			require.Equal(t, "appId.keyId", g.KeyName())
			require.ErrorIs(t, v.VerifyToken(&g, d.Token, testNow+c.ttl), ErrTokenExpired, "to the millisecond")
			x := v.ExplainToken(d.Token, testNow)
			require.Nil(t, x.Err)
		}
	}
}

func nilIfEmpty(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

func TestTokensOfOneMillisecondDiffer(t *testing.T) {
	v := newTestVerifier(t, Options{Seal: []SealSecret{sealSecret(t, sealOne)}})
	seen := map[string]bool{}
	for range 1000 {
		seen[string(issue(t, v, with(), testNow).Token)] = true
	}
	require.Len(t, seen, 1000)
}

// What the key may do now is asked again whenever its token is presented.
func TestAnIssuedTokenObeysItsKeysPresent(t *testing.T) {
	seal := []SealSecret{sealSecret(t, sealOne)}
	key := func(change func(k *Key)) Key {
		k := testKey()
		change(&k)
		return k
	}
	for name, c := range map[string]struct {
		keys []Key
		want error
	}{
		"unchanged":         {[]Key{testKey()}, nil},
		"only verifying":    {[]Key{key(func(k *Key) { k.State = VerifyOnly })}, nil},
		"disabled":          {[]Key{key(func(k *Key) { k.State = Disabled })}, ErrKeyDisabled},
		"revoked":           {[]Key{key(func(k *Key) { k.State = Revoked })}, ErrKeyRevoked},
		"expired":           {[]Key{key(func(k *Key) { k.NotAfter = testNow })}, ErrKeyExpired},
		"removed":           {[]Key{{Name: "appId.other", Secret: testSecret}}, ErrAblyTokenUnrecognized},
		"another secret":    {[]Key{key(func(k *Key) { k.Secret = "another secret, long enough" })}, ErrAblyToken},
		"revocable now":     {[]Key{key(func(k *Key) { k.RevocableTokens = true })}, ErrTTL},
		"with other rights": {[]Key{key(func(k *Key) { k.Capability = set(t, `{"x":["*"]}`) })}, ErrNothingGranted},
	} {
		t.Run(name, func(t *testing.T) {
			v := newTestVerifier(t, Options{Seal: seal, CacheBytes: 1 << 20})
			d := issue(t, v, with("capability", `{"a":["*"]}`, "ttl", 7_200_000), testNow)
			var g Grant
			warm(t, v, &g, d.Token)
			replace(t, v, c.keys...)
			err := v.VerifyToken(&g, d.Token, testNow)
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.want)
			requireDenies(t, &g)
		})
	}
	t.Run("narrower rights", func(t *testing.T) {
		v := newTestVerifier(t, Options{Seal: seal})
		d := issue(t, v, with("capability", `{"a":["publish"],"b":["publish"]}`), testNow)
		replace(t, v, key(func(k *Key) { k.Capability = set(t, `{"b":["*"]}`) }))
		var g Grant
		require.NoError(t, v.VerifyToken(&g, d.Token, testNow))
		require.Equal(t, `{"b":["publish"]}`, string(g.AppendCapability(nil)))
	})
	t.Run("wider rights do not widen it", func(t *testing.T) {
		v := newTestVerifier(t, Options{Seal: seal, Keys: []Key{key(func(k *Key) { k.Capability = set(t, `{"a":["publish"]}`) })}})
		d := issue(t, v, with(), testNow)
		replace(t, v, testKey())
		var g Grant
		require.NoError(t, v.VerifyToken(&g, d.Token, testNow))
		require.Equal(t, `{"a":["publish"]}`, string(g.AppendCapability(nil)))
	})
	t.Run("a revocation", func(t *testing.T) {
		v := newTestVerifier(t, Options{Seal: seal, CacheBytes: 1 << 20})
		d := issue(t, v, with("clientId", "alice"), testNow)
		var g Grant
		warm(t, v, &g, d.Token)
		revoke(RevokeClientID, "alice", testNow+1, testNow)(v)
		require.ErrorIs(t, v.VerifyToken(&g, d.Token, testNow), ErrTokenRevoked)
	})
}

func TestSealingSecretsAreRotated(t *testing.T) {
	one, two := sealSecret(t, sealOne), sealSecret(t, sealTwo)
	v := newTestVerifier(t, Options{Seal: []SealSecret{one}})
	old := issue(t, v, with(), testNow).Token
	require.NoError(t, v.Replace([]Key{testKey()}, TokenRules{}, []SealSecret{two, one}))
	fresh := issue(t, v, with(), testNow).Token
	var g Grant
	require.NoError(t, v.VerifyToken(&g, old, testNow))
	require.NoError(t, v.VerifyToken(&g, fresh, testNow))
	require.NoError(t, v.Replace([]Key{testKey()}, TokenRules{}, []SealSecret{two}))
	require.ErrorIs(t, v.VerifyToken(&g, old, testNow), ErrAblyTokenUnrecognized)
	require.NoError(t, v.VerifyToken(&g, fresh, testNow))

	var d TokenDetails
	none, err := NewVerifier(Options{Keys: []Key{testKey()}})
	require.NoError(t, err)
	untouched := new(spends)
	require.ErrorIs(t, none.Redeem(t.Context(), &g, request(t, signFields(with())), untouched, testNow), ErrSealSecretMissing)
	require.Zero(t, untouched.calls, "no nonce is spent for a token that cannot be issued")
	require.ErrorIs(t, NewIssuer().Issue(&d, new(Grant)), ErrNothingGranted)
	require.NoError(t, none.VerifyKey(&g, []byte("appId.keyId:"+testSecret), testNow))
	require.ErrorIs(t, NewIssuer().Issue(&d, &g), ErrNothingGranted, "a key is no token")
	_, err = NewSealSecret("short")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "short\"")
}

func TestAChangedIssuedTokenIsRefused(t *testing.T) {
	v := newTestVerifier(t, Options{Seal: []SealSecret{sealSecret(t, sealOne)}, Keys: []Key{testKey(), {Name: "other.keyId", Secret: testSecret}}})
	token := issue(t, v, with("clientId", "alice"), testNow).Token
	var g Grant
	for i := range token {
		for _, bit := range []byte{1, 2, 4, 8, 16, 32} {
			changed := bytes.Clone(token)
			changed[i] ^= bit
			require.Error(t, v.VerifyToken(&g, changed, testNow), "byte %d", i)
			requireDenies(t, &g)
		}
		require.Error(t, v.VerifyToken(&g, token[:i], testNow))
	}
	_, body, _ := bytes.Cut(token, []byte{'.'})
	for name, other := range map[string]string{
		"another app":  "other." + string(body),
		"no app":       "." + string(body),
		"padded":       string(token) + "=",
		"more":         string(token) + "AAAA",
		"a line break": string(token[:20]) + "\n" + string(token[20:]),
		"nothing":      "appId.",
		"short":        "appId.AAAA",
	} {
		require.Error(t, v.VerifyToken(&g, []byte(other), testNow), name)
	}
}

// Whoever knows the API key's secret, its name, the form of issued tokens and
// any number of them still cannot make one: the sealing key comes from a secret
// that is the server's alone.
func TestTheHolderOfAKeyCannotSeal(t *testing.T) {
	v := newTestVerifier(t, Options{Seal: []SealSecret{sealSecret(t, sealOne)}, Keys: []Key{{Name: "appId.keyId", Secret: testSecret, Capability: set(t, `{"a":["subscribe"]}`)}}})
	genuine := issue(t, v, with("clientId", "mallory"), testNow).Token
	body, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(string(genuine), "appId."))
	require.NoError(t, err)
	k := testKey()
	everything := &verified{key: &keyRecord{Key: k, whole: newEffective(everyChannel)}, kind: Identified, clientID: []byte("admin"), issued: testNow, expires: testNow + 3_600_000}

	forge := func(s *sealer) []byte { return s.appendAccess(nil, everything, []byte(`{"*":["*"]}`)) }
	id := sealID(body[2:10])
	guesses := map[string][]byte{}
	for name, secret := range map[string]Secret{
		"the key's secret": testSecret, "the whole key": "appId.keyId:" + testSecret, "the id of the sealing secret": Secret(strings.Repeat(string(id[:]), 4)), "nothing": Secret(make([]byte, 32)),
	} {
		aead, err := SealSecret{&secret}.sealKey(sealAccess, &k)
		require.NoError(t, err)
		guesses["derived from "+name] = forge(&sealer{id, sealAccess, aead})
		raw := make([]byte, chacha20poly1305.KeySize)
		copy(raw, secret)
		direct, err := chacha20poly1305.NewX(raw)
		require.NoError(t, err)
		guesses[name+" itself"] = forge(&sealer{id, sealAccess, direct})
	}
	// Parts of genuine tokens put together anew.
	other := issue(t, v, with("clientId", "admin-to-be"), testNow).Token
	guesses["the head of one and the tail of another"] = append(bytes.Clone(genuine[:60]), other[60:]...)
	for name, guess := range guesses {
		var g Grant
		require.Error(t, v.VerifyToken(&g, guess, testNow), name)
		requireDenies(t, &g)
	}
	var g Grant
	require.NoError(t, v.VerifyToken(&g, genuine, testNow))
	require.Error(t, g.Authorize(channel("a"), capability.Publish))
}

func TestACapabilityTooLargeForATokenIsAnError(t *testing.T) {
	rules := make([]string, 800)
	for i := range rules {
		rules[i] = fmt.Sprintf(`"channel%04d":["*"]`, i)
	}
	v := newTestVerifier(t, Options{Seal: []SealSecret{sealSecret(t, sealOne)}, Keys: []Key{{Name: "appId.keyId", Secret: testSecret, Capability: set(t, "{"+strings.Join(rules, ",")+"}")}}})
	var g Grant
	untouched := new(spends)
	require.ErrorIs(t, v.Redeem(t.Context(), &g, request(t, signFields(with())), untouched, testNow), ErrTokenSize)
	require.Zero(t, untouched.calls)
	// The longest that fits is issued, a byte more is not.
	for extra, want := range []error{nil, ErrTokenSize} {
		size := sealedRoom(&keyRecord{Key: testKey()}, []byte("alice")) - len(`{"":["*"]}`) + extra
		text := `{"` + strings.Repeat("x", size) + `":["*"]}`
		v := newTestVerifier(t, Options{})
		err := v.Redeem(t.Context(), &g, request(t, signFields(with("clientId", "alice", "capability", text))), new(spends), testNow)
		if want != nil {
			require.ErrorIs(t, err, want)
			continue
		}
		require.NoError(t, err)
		var d TokenDetails
		require.NoError(t, NewIssuer().Issue(&d, &g))
		require.LessOrEqual(t, len(d.Token), MaxTokenBytes)
		require.Greater(t, len(d.Token), MaxTokenBytes-4)
		require.NoError(t, v.VerifyToken(&g, d.Token, testNow))
	}
}

// What was issued for a key's own capability is presented as it was issued, even
// where that capability and itself have more in common, by letter, than it names.
func TestATokenOfTheWholeKeyIsNotIntersectedAgain(t *testing.T) {
	var rules []string
	for i := range 33 {
		rules = append(rules, fmt.Sprintf(`"k%02d:*:*":["publish"]`, i), fmt.Sprintf(`"*:x%02d:*":["publish"]`, i))
	}
	whole := set(t, "{"+strings.Join(rules, ",")+"}")
	for _, cacheBytes := range []int64{0, 1 << 20} {
		v := newTestVerifier(t, Options{CacheBytes: cacheBytes, Keys: []Key{{Name: "appId.keyId", Secret: testSecret, Capability: whole}}})
		d := issue(t, v, with(), testNow)
		require.Equal(t, whole.String(), string(d.Capability))
		var g Grant
		require.NoError(t, v.VerifyToken(&g, d.Token, testNow))
		require.Equal(t, whole.String(), string(g.AppendCapability(nil)))
		require.NoError(t, g.Authorize(channel("k01:a:b"), capability.Publish))
		require.Error(t, g.Authorize(channel("k01"), capability.Subscribe))
		require.Equal(t, capability.Publish, g.Ops(channel("a:x05")))
	}
}

func TestVerifyingAnIssuedTokenAllocatesNothing(t *testing.T) {
	v := newTestVerifier(t, Options{Seal: []SealSecret{sealSecret(t, sealOne)}})
	token := issue(t, v, with("clientId", "alice", "capability", `{"a":["publish"]}`), testNow).Token
	var g Grant
	requireNoAllocs(t, func() error { return v.VerifyToken(&g, token, testNow+1) })
}

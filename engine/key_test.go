package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeysThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		keys []Key
		want error
	}{
		"no dot":               {[]Key{{Name: "app", Secret: testSecret}}, errKeyName},
		"no app":               {[]Key{{Name: ".key", Secret: testSecret}}, errKeyName},
		"no key id":            {[]Key{{Name: "app.", Secret: testSecret}}, errKeyName},
		"colon":                {[]Key{{Name: "app.a:b", Secret: testSecret}}, errKeyName},
		"control character":    {[]Key{{Name: "app.a\nb", Secret: testSecret}}, errKeyName},
		"long name":            {[]Key{{Name: "app." + strings.Repeat("k", MaxKeyNameBytes), Secret: testSecret}}, errKeyName},
		"no secret":            {[]Key{{Name: "app.key"}}, errNoSecret},
		"short secret":         {[]Key{{Name: "app.key", Secret: "fifteen-bytes-x"}}, errShortSecret},
		"secret of a sample":   {[]Key{{Name: "app.key", Secret: "your-256-bit-secret"}}, errKnownSecret},
		"secret of one letter": {[]Key{{Name: "app.key", Secret: "aaaaaaaaaaaaaaaaaaaaaaaa"}}, errKnownSecret},
		"twice":                {[]Key{testKey(), testKey()}, errDuplicateKey},
	} {
		_, err := NewVerifier(Options{Keys: c.keys})
		require.ErrorIs(t, err, c.want, name)
		for _, k := range c.keys {
			if k.Secret != "" {
				require.NotContains(t, err.Error(), string(k.Secret), name)
			}
		}
	}
	_, err := NewVerifier(Options{Keys: []Key{{Name: "app.key", Secret: "short"}}, Tokens: TokenRules{AllowWeakSecrets: true}})
	require.NoError(t, err)
	_, err = NewVerifier(Options{Tokens: TokenRules{MaxTTL: -1}})
	require.Error(t, err)
}

func TestAFailedReplacementChangesNothing(t *testing.T) {
	v := newTestVerifier(t, Options{})
	require.Error(t, v.ReplaceKeys([]Key{{Name: "other.key", Secret: testSecret}, {Name: "bad"}}))
	require.NoError(t, v.VerifyToken(new(Grant), []byte(testToken), testNow))
	require.ErrorIs(t, v.VerifyKey(new(Grant), []byte("other.key:"+testSecret), testNow), ErrKeyAppUnknown)
}

func TestSecretsDoNotPrint(t *testing.T) {
	secret := Secret("canary-secret-0123")
	k := Key{Name: "a.b", Secret: secret}
	encoded, err := json.Marshal(k.Secret)
	require.NoError(t, err)
	for _, text := range []string{
		fmt.Sprint(secret), fmt.Sprintf("%v %+v %#v %s %q %x %d", secret, secret, secret, secret, secret, secret, secret),
		fmt.Sprintf("%v %+v %#v", k, k, k), fmt.Sprintf("%v", []Key{k}), string(encoded), secret.String(),
	} {
		require.NotContains(t, text, "canary")
		require.Contains(t, text, "redacted")
	}
}

func TestKeyStatusesTellWhenAKeyWasLastUsed(t *testing.T) {
	v := newTestVerifier(t, Options{})
	require.Equal(t, []KeyStatus{{"appId.keyId", Active, 0, false}}, v.KeyStatuses())
	var g Grant
	require.NoError(t, v.VerifyToken(&g, []byte(testToken), testNow))
	require.NoError(t, v.VerifyToken(&g, []byte(testToken), testNow+999))
	require.Equal(t, testNow, v.KeyStatuses()[0].LastUsed)
	require.NoError(t, v.VerifyKey(&g, []byte("appId.keyId:"+testSecret), testNow+1000))
	require.Error(t, v.VerifyKey(&g, []byte("appId.keyId:wrong"), testNow+5000))
	require.Equal(t, testNow+1000, v.KeyStatuses()[0].LastUsed)
}

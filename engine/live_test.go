package engine

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Of several revocations: when the first applies, and what a replacement must be
// issued after to be accepted then.
func TestRevocationOfALiveToken(t *testing.T) {
	for name, c := range map[string]struct {
		revocations             []Revocation
		now                     UnixMilli
		appliesAt, issuedBefore UnixMilli
		ok                      bool
	}{
		"none":             {nil, testNow, 0, 0, false},
		"another client's": {[]Revocation{{RevokeClientID, "bob", testNow + 1, testNow}}, testNow, 0, 0, false},
		"of older tokens":  {[]Revocation{{RevokeClientID, "alice", testNow, testNow}}, testNow, 0, 0, false},
		"one":              {[]Revocation{{RevokeClientID, "alice", testNow + 10, testNow + 20}}, testNow, testNow + 20, testNow + 10, true},
		"the first of two": {[]Revocation{
			{RevokeRevocationKey, "group", testNow + 50, testNow + 90}, {RevokeClientID, "alice", testNow + 10, testNow + 20},
		}, testNow, testNow + 20, testNow + 10, true},
		"both in force": {[]Revocation{
			{RevokeRevocationKey, "group", testNow + 50, testNow + 90}, {RevokeClientID, "alice", testNow + 10, testNow + 20},
		}, testNow + 90, testNow + 20, testNow + 50, true},
		"both at once": {[]Revocation{
			{RevokeRevocationKey, "group", testNow + 50, testNow + 20}, {RevokeChannel, "chat:*", testNow + 10, testNow + 20},
		}, testNow, testNow + 20, testNow + 50, true},
	} {
		t.Run(name, func(t *testing.T) {
			v := newTestVerifier(t, Options{})
			var g Grant
			require.NoError(t, v.VerifyToken(&g, mint(t, TokenParams{ClientID: "alice", RevocationKey: "group", Capability: `{"chat:*":["*"]}`}), testNow))
			before := g.KeySnapshot()
			v.Revoke("appId.keyId", c.revocations...)
			require.Equal(t, len(c.revocations) == 0, before == g.KeySnapshot(), "a change is seen")
			appliesAt, issuedBefore, ok := g.Revocation(c.now)
			require.Equal(t, c.ok, ok)
			require.Equal(t, c.appliesAt, appliesAt)
			require.Equal(t, c.issuedBefore, issuedBefore)
		})
	}
}

func TestAKeyIsNoTargetOfRevocations(t *testing.T) {
	v := newTestVerifier(t, Options{})
	var g, zero Grant
	require.NoError(t, v.VerifyKey(&g, []byte("appId.keyId:"+testSecret), testNow))
	v.Revoke("appId.keyId", Revocation{RevokeClientID, "*", testNow + 1, testNow})
	for _, g := range []*Grant{&g, &zero} {
		_, _, ok := g.Revocation(testNow)
		require.False(t, ok)
	}
	require.False(t, g.IsJWT())
}

// What the key of a Grant that is kept has become.
func TestKeyErrorOfALiveGrant(t *testing.T) {
	for name, c := range map[string]struct {
		key          Key
		token, basic error
		expires      UnixMilli
	}{
		"the same":             {testKey(), nil, nil, 0},
		"active until later":   {Key{Name: "appId.keyId", Secret: testSecret, NotAfter: testNow + 1}, nil, nil, testNow + 1},
		"expired":              {Key{Name: "appId.keyId", Secret: testSecret, NotAfter: testNow}, ErrKeyExpired, ErrKeyExpired, testNow},
		"disabled":             {Key{Name: "appId.keyId", Secret: testSecret, State: Disabled}, ErrKeyDisabled, ErrKeyDisabled, 0},
		"revoked":              {Key{Name: "appId.keyId", Secret: testSecret, State: Revoked}, ErrKeyRevoked, ErrKeyRevoked, 0},
		"verify_only":          {Key{Name: "appId.keyId", Secret: testSecret, State: VerifyOnly}, nil, ErrKeyVerifyOnly, 0},
		"another secret":       {Key{Name: "appId.keyId", Secret: "another secret, long enough"}, ErrTokenRevoked, ErrKeyRemoved, 0},
		"removed":              {Key{Name: "appId.another", Secret: testSecret}, ErrKeyRemoved, ErrKeyRemoved, 0},
		"with fewer rights":    {Key{Name: "appId.keyId", Secret: testSecret, Capability: set(t, `{"x":["publish"]}`)}, nil, nil, 0},
		"with revocable token": {Key{Name: "appId.keyId", Secret: testSecret, RevocableTokens: true}, nil, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			v := newTestVerifier(t, Options{})
			var token, basic Grant
			require.NoError(t, v.VerifyToken(&token, mint(t, TokenParams{}), testNow))
			require.NoError(t, v.VerifyKey(&basic, []byte("appId.keyId:"+testSecret), testNow))
			before := token.KeySnapshot()
			replace(t, v, c.key)
			require.Equal(t, name == "the same", before == token.KeySnapshot())
			require.Equal(t, c.token, token.KeyError(testNow))
			require.Equal(t, c.basic, basic.KeyError(testNow))
			require.Equal(t, c.expires, token.KeyExpires())
		})
	}
	var zero Grant
	require.Equal(t, ErrKeyRemoved, zero.KeyError(testNow))
	require.Equal(t, KeySnapshot{}, zero.KeySnapshot())
	require.Zero(t, zero.KeyExpires())
}

// A key that is removed and configured again is another one, whose revocations the
// old Grant would not see.
func TestAKeyThatCameBackIsAnotherOne(t *testing.T) {
	v := newTestVerifier(t, Options{})
	var g Grant
	require.NoError(t, v.VerifyToken(&g, mint(t, TokenParams{ClientID: "alice"}), testNow))
	replace(t, v)
	replace(t, v, testKey())
	require.Equal(t, ErrKeyRemoved, g.KeyError(testNow))
	require.NoError(t, v.VerifyToken(&g, mint(t, TokenParams{ClientID: "alice"}), testNow))
	require.NoError(t, g.KeyError(testNow))
}

// With revocations that outlive it, it is the same one.
func TestAKeyThatCameBackToItsRevocations(t *testing.T) {
	v := newTestVerifier(t, Options{})
	var g Grant
	require.NoError(t, v.VerifyToken(&g, mint(t, TokenParams{ClientID: "alice"}), testNow))
	revoke(RevokeClientID, "alice", testNow+1, testNow+5)(v)
	replace(t, v)
	require.Equal(t, ErrKeyRemoved, g.KeyError(testNow))
	replace(t, v, testKey())
	require.NoError(t, g.KeyError(testNow))
	at, _, ok := g.Revocation(testNow)
	require.True(t, ok)
	require.Equal(t, testNow+5, at)
}

func TestIsJWT(t *testing.T) {
	v := newTestVerifier(t, Options{})
	var jwt, issued Grant
	require.NoError(t, v.VerifyToken(&jwt, mint(t, TokenParams{}), testNow))
	require.True(t, jwt.IsJWT())
	var details TokenDetails
	require.NoError(t, NewIssuer().Issue(&details, &jwt))
	require.NoError(t, v.VerifyToken(&issued, details.Token, testNow))
	require.True(t, issued.IsToken())
	require.False(t, issued.IsJWT())
	clone := issued.Clone()
	require.False(t, clone.IsJWT())
}

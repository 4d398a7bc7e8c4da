package engine

import (
	"encoding/base64"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnknownAblyNamesUnderEachRule(t *testing.T) {
	const times = `"iat":1700000000,"exp":1700003600`
	for name, token := range map[string]string{
		"claim":  phpForm(`{"alg":"HS256","kid":"appId.keyId"}`, `{`+times+`,"x-ably-clientid":"a"}`, base64.RawURLEncoding),
		"header": phpForm(`{"alg":"HS256","kid":"appId.keyId","x-ably-x":1}`, `{`+times+`}`, base64.RawURLEncoding),
	} {
		for rule, warns := range map[UnknownAblyClaims]bool{WarnUnknown: true, IgnoreUnknown: false} {
			v := newTestVerifier(t, Options{Tokens: TokenRules{UnknownAblyClaims: rule}})
			var g Grant
			require.NoError(t, v.VerifyToken(&g, []byte(token), testNow), name)
			require.Equal(t, warns, g.HasUnknownClaims(), name)
			require.Equal(t, Anonymous, g.Identity().Kind, "a misspelt claim is not read: %s", name)
		}
		require.Error(t, newTestVerifier(t, Options{}).VerifyToken(new(Grant), []byte(token), testNow), name)
	}
}

func TestAnIssuedTokenFromTheFutureIsRefused(t *testing.T) {
	v := newTestVerifier(t, Options{})
	token := issue(t, v, with(), testNow).Token
	require.NoError(t, v.VerifyToken(new(Grant), token, testNow-60_000))
	require.ErrorIs(t, v.VerifyToken(new(Grant), token, testNow-60_001), ErrIssuedInFuture)
}

func TestRestrictionsAreReplacedWithTheKey(t *testing.T) {
	v := newTestVerifier(t, Options{})
	var g Grant
	key := []byte("appId.keyId:" + testSecret)
	require.NoError(t, v.VerifyKey(&g, key, testNow))
	require.NoError(t, g.PermitPeer(nil, netip.Addr{}))
	restricted := testKey()
	restricted.Restrictions = Restrictions{Origins: []string{"https://a.example"}, IPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	replace(t, v, restricted)
	require.NoError(t, v.VerifyKey(&g, key, testNow))
	ours := netip.MustParseAddr("10.1.2.3")
	require.NoError(t, g.PermitPeer(nil, ours))
	require.NoError(t, g.PermitPeer([]byte("https://a.example"), ours))
	require.ErrorIs(t, g.PermitPeer([]byte("https://b.example"), ours), ErrForbidden)
	require.ErrorIs(t, g.PermitPeer(nil, netip.MustParseAddr("11.1.2.3")), ErrForbidden)
	require.ErrorIs(t, g.PermitPeer(nil, netip.Addr{}), ErrForbidden, "an address that is not known")
	// Its tokens are not restricted.
	require.NoError(t, v.VerifyToken(&g, []byte(testToken), testNow))
	require.NoError(t, g.PermitPeer([]byte("https://b.example"), netip.Addr{}))
}

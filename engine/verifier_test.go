package engine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/capability"
)

const (
	testSecret = "0123456789abcdef0123456789abcdef"
	testNow    = UnixMilli(1_700_000_100_000)
	// The example token of the Ably JWT documentation's form, signed with
	// testSecret; its claims are iat 1700000000, exp 1700003600, every channel,
	// clientId alice.
	testToken = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiIsImtpZCI6ImFwcElkLmtleUlkIn0.eyJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwieC1hYmx5LWNhcGFiaWxpdHkiOiJ7XCIqXCI6W1wiKlwiXX0iLCJ4LWFibHktY2xpZW50SWQiOiJhbGljZSJ9.BBsfJ75CdJ7GQe0NAuCoNj_MshcOy5ySewSuuekaZTo"
)

func testKey() Key { return Key{Name: "appId.keyId", Secret: testSecret} }

func newTestVerifier(t testing.TB, o Options) *Verifier {
	t.Helper()
	if o.Keys == nil {
		o.Keys = []Key{testKey()}
	}
	if o.Seal == nil {
		o.Seal = []SealSecret{sealSecret(t, sealOne)}
	}
	v, err := NewVerifier(o)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

func mint(t testing.TB, p TokenParams) []byte {
	t.Helper()
	s, err := NewSigner("appId.keyId:" + testSecret)
	require.NoError(t, err)
	if p.Issued == 0 {
		p.Issued = testNow
	}
	token, err := s.AppendJWT(nil, &p)
	require.NoError(t, err)
	return token
}

func channel(name string) capability.Resource {
	r, err := capability.ParseChannel([]byte(name))
	if err != nil {
		panic(err)
	}
	return r
}

func TestAGoodTokenIsVerifiedIntoAGrant(t *testing.T) {
	for _, cacheBytes := range []int64{0, 1 << 20} {
		v := newTestVerifier(t, Options{CacheBytes: cacheBytes})
		var g Grant
		for range 3 {
			require.NoError(t, v.VerifyToken(&g, []byte(testToken), testNow))
			if v.cache != nil {
				v.cache.ristretto.Wait()
			}
		}
		require.Equal(t, cacheBytes > 0, g.FromCache())
		require.Equal(t, "appId.keyId", g.KeyName())
		require.Equal(t, Identity{Identified, []byte("alice")}, g.Identity())
		require.Equal(t, UnixMilli(1_700_000_000_000), g.Issued())
		require.Equal(t, UnixMilli(1_700_003_600_000), g.Expires())
		require.Equal(t, `{"*":["*"]}`, string(g.AppendCapability(nil)))
		require.NoError(t, g.Authorize(channel("chat:x"), capability.Publish))
		require.ErrorIs(t, g.Authorize(channel("[meta]log"), capability.Subscribe), ErrCapabilityDenied)
	}
}

func TestAfterARefusalTheGrantDeniesEverything(t *testing.T) {
	v := newTestVerifier(t, Options{})
	var g Grant
	require.NoError(t, v.VerifyToken(&g, []byte(testToken), testNow))
	require.ErrorIs(t, v.VerifyToken(&g, []byte(testToken), testNow.Add(time.Hour)), ErrTokenExpired)
	requireDenies(t, &g)
	require.NoError(t, v.VerifyKey(&g, []byte("appId.keyId:"+testSecret), testNow))
	require.NoError(t, g.Authorize(channel("x"), capability.Publish))
	require.ErrorIs(t, v.VerifyKey(&g, []byte("appId.keyId:wrong"), testNow), ErrSecret)
	requireDenies(t, &g)
	requireDenies(t, new(Grant))
}

func requireDenies(t *testing.T, g *Grant) {
	t.Helper()
	require.Empty(t, g.KeyName())
	require.Equal(t, Identity{}, g.Identity())
	require.Zero(t, g.Ops(channel("x")))
	require.Error(t, g.Authorize(channel("x"), capability.All))
	require.Equal(t, "{}", string(g.AppendCapability(nil)))
	c := g.Clone()
	require.Zero(t, c.Ops(channel("x")))
}

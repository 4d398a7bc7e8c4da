package engine

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	phone    = Device{ID: []byte("01ARZ3NDEKTSV4RRFFQ69G5FAV"), ClientID: []byte("alice"), Generation: Generation{1, 2, 3}}
	speaker  = Device{ID: []byte("é / the speaker"), Generation: Generation{15: 1}}
	fiveYear = UnixMilli(157_680_000_000) // 5 years of 365 days, in milliseconds
)

// authority is what a token of the test key grants.
func authority(t testing.TB, v *Verifier, p TokenParams) *Grant {
	t.Helper()
	g := new(Grant)
	require.NoError(t, v.VerifyToken(g, mint(t, p), testNow))
	return g
}

func issueDevice(t testing.TB, v *Verifier, g *Grant, d Device) *DeviceTokenDetails {
	t.Helper()
	details := new(DeviceTokenDetails)
	require.NoError(t, NewIssuer().IssueDevice(details, g, &d, testNow))
	return details
}

func requireDeviceDenies(t *testing.T, d *DeviceGrant) {
	t.Helper()
	require.Empty(t, d.KeyName())
	require.Empty(t, d.DeviceID())
	require.Equal(t, Generation{}, d.Generation())
	require.Equal(t, Identity{}, d.Identity())
	require.Error(t, d.Authorize(channel("a")))
}

func TestADeviceTokenSaysWhichDeviceItIsOf(t *testing.T) {
	v := newTestVerifier(t, Options{})
	for _, device := range []Device{phone, speaker, {ID: bytes.Repeat([]byte("d"), MaxDeviceIDBytes), ClientID: bytes.Repeat([]byte("c"), MaxClientIDBytes)}} {
		details := issueDevice(t, v, authority(t, v, TokenParams{ClientID: "alice", Capability: `{"a":["push-subscribe","publish"],"b":["publish"],"c":["push-admin"],"d:*":["*"]}`}), device)
		require.Equal(t, `{"a":["push-subscribe"],"d:*":["push-subscribe"]}`, string(details.Capability), "push-subscribe where it was granted, and nothing else")
		require.Equal(t, "appId.keyId", details.KeyName)
		require.Equal(t, [2]UnixMilli{testNow, testNow + fiveYear}, [2]UnixMilli{details.Issued, details.Expires})
		require.Equal(t, [2]string{string(device.ID), string(device.ClientID)}, [2]string{string(details.DeviceID), string(details.ClientID)})
		require.True(t, strings.HasPrefix(string(details.Token), "appId."))
		require.True(t, IsDeviceToken(details.Token))
		require.NotContains(t, string(details.Token), "alice")

		var d DeviceGrant
		require.NoError(t, v.VerifyDeviceToken(&d, details.Token, testNow))
		require.Equal(t, string(device.ID), string(d.DeviceID()))
		require.Equal(t, device.Generation, d.Generation())
		require.Equal(t, Identity{details.Kind, nilIfEmpty(string(device.ClientID))}, d.Identity())
		require.Equal(t, "appId.keyId", d.KeyName())
		require.Equal(t, [2]UnixMilli{testNow, testNow + fiveYear}, [2]UnixMilli{d.Issued(), d.Expires()})
		require.NoError(t, d.Authorize(channel("a")))
		require.NoError(t, d.Authorize(channel("d:e")))
		require.ErrorIs(t, d.Authorize(channel("b")), ErrCapabilityDenied)
		require.ErrorIs(t, d.Authorize(channel("c")), ErrCapabilityDenied)
	}
}

func TestADeviceTokenLivesForFiveYears(t *testing.T) {
	for name, key := range map[string]Key{
		"a key":                        testKey(),
		"a key with revocable tokens":  {Name: "appId.keyId", Secret: testSecret, RevocableTokens: true},
		"a key that ends at that time": {Name: "appId.keyId", Secret: testSecret, NotAfter: testNow + fiveYear + 1},
	} {
		v := newTestVerifier(t, Options{Keys: []Key{key}})
		token := issueDevice(t, v, authority(t, v, TokenParams{}), phone).Token
		var d DeviceGrant
		require.NoError(t, v.VerifyDeviceToken(&d, token, testNow+fiveYear-1), name)
		require.ErrorIs(t, v.VerifyDeviceToken(&d, token, testNow+fiveYear), ErrDeviceTokenExpired, "%s: to the millisecond", name)
		requireDeviceDenies(t, &d)
		require.NoError(t, v.VerifyDeviceToken(&d, token, testNow-60_000), name)
		require.ErrorIs(t, v.VerifyDeviceToken(&d, token, testNow-60_001), ErrDeviceToken, "%s: from the future", name)
	}
}

// One kind of sealed token is never taken for another, also not where its kind was
// written over: the kind is in the key and in what is authenticated.
func TestKindsOfSealedTokensAreApart(t *testing.T) {
	v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
	access := issue(t, v, with("clientId", "alice"), testNow).Token
	device := issueDevice(t, v, authority(t, v, TokenParams{ClientID: "alice"}), phone).Token
	var g Grant
	var d DeviceGrant
	require.NoError(t, v.VerifyToken(&g, access, testNow))
	require.NoError(t, v.VerifyDeviceToken(&d, device, testNow))

	require.ErrorIs(t, v.VerifyToken(&g, device, testNow), ErrTokenKind)
	require.Equal(t, [2]int{40145, 401}, [2]int{ErrTokenKind.Code, ErrTokenKind.StatusCode})
	requireDenies(t, &g)
	for name, token := range map[string][]byte{
		"an Ably token": access, "an Ably JWT": []byte(testToken), "nothing": nil, "an API key": []byte("appId.keyId:" + testSecret),
		"an Ably token labelled as a device token": relabelled(t, access, sealDevice),
	} {
		require.False(t, IsDeviceToken(token) && name == "an Ably token", name)
		require.ErrorIs(t, v.VerifyDeviceToken(&d, token, testNow), ErrDeviceToken, name)
		requireDeviceDenies(t, &d)
	}
	require.ErrorIs(t, v.VerifyToken(&g, relabelled(t, device, sealAccess), testNow), ErrAblyToken)
	require.ErrorIs(t, v.VerifyDeviceToken(&d, relabelled(t, device, sealAccess), testNow), ErrDeviceToken)

	// Nor is it where only what is authenticated tells them apart, and not the key.
	k := v.keys.ring.Load().keys["appId.keyId"]
	plain, err := v.open(new(Grant), new(scratch), sealDevice, device)
	require.NoError(t, err)
	genuine := *k.sealers.newest(sealDevice)
	require.NoError(t, v.VerifyDeviceToken(&d, genuine.appendSealed(nil, k, plain), testNow))
	other := sealer{genuine.id, sealAccess, genuine.aead}
	require.ErrorIs(t, v.VerifyDeviceToken(&d, relabelled(t, other.appendSealed(nil, k, plain), sealDevice), testNow), ErrDeviceToken)
}

// relabelled writes another kind over that of a sealed token.
func relabelled(t *testing.T, token []byte, kind sealKind) []byte {
	t.Helper()
	app, segment, _ := strings.Cut(string(token), ".")
	body, err := base64.RawURLEncoding.DecodeString(segment)
	require.NoError(t, err)
	require.NotEqual(t, byte(kind), body[1])
	body[1] = byte(kind)
	return []byte(app + "." + base64.RawURLEncoding.EncodeToString(body))
}

func TestAChangedDeviceTokenIsRefused(t *testing.T) {
	v := newTestVerifier(t, Options{Keys: []Key{testKey(), {Name: "other.keyId", Secret: testSecret}}})
	token := issueDevice(t, v, authority(t, v, TokenParams{}), phone).Token
	var d DeviceGrant
	for i := range token {
		for _, bit := range []byte{1, 2, 4, 8, 16, 32} {
			changed := bytes.Clone(token)
			changed[i] ^= bit
			require.ErrorIs(t, v.VerifyDeviceToken(&d, changed, testNow), ErrDeviceToken, "byte %d", i)
			requireDeviceDenies(t, &d)
		}
		require.ErrorIs(t, v.VerifyDeviceToken(&d, token[:i], testNow), ErrDeviceToken)
	}
	_, body, _ := bytes.Cut(token, []byte{'.'})
	for name, other := range map[string]string{
		"another app": "other." + string(body), "no app": "." + string(body), "padded": string(token) + "=", "more": string(token) + "AAAA",
	} {
		require.ErrorIs(t, v.VerifyDeviceToken(&d, []byte(other), testNow), ErrDeviceToken, name)
	}
	require.ErrorIs(t, v.VerifyDeviceToken(&d, make([]byte, MaxTokenBytes+1), testNow), ErrDeviceToken)
}

// A device token is as good as its key is now.
func TestADeviceTokenDiesWithItsKey(t *testing.T) {
	key := func(change func(k *Key)) Key {
		k := testKey()
		change(&k)
		return k
	}
	for name, c := range map[string]struct {
		keys []Key
		want error
	}{
		"unchanged":      {[]Key{testKey()}, nil},
		"only verifying": {[]Key{key(func(k *Key) { k.State = VerifyOnly })}, nil},
		"disabled":       {[]Key{key(func(k *Key) { k.State = Disabled })}, ErrKeyDisabled},
		"revoked":        {[]Key{key(func(k *Key) { k.State = Revoked })}, ErrKeyRevoked},
		"expired":        {[]Key{key(func(k *Key) { k.NotAfter = testNow })}, ErrKeyExpired},
		"removed":        {[]Key{{Name: "appId.other", Secret: testSecret}}, ErrDeviceToken},
		"another secret": {[]Key{key(func(k *Key) { k.Secret = "another secret, long enough" })}, ErrDeviceToken},
		"revocable now":  {[]Key{key(func(k *Key) { k.RevocableTokens = true })}, nil},
		"other rights":   {[]Key{key(func(k *Key) { k.Capability = set(t, `{"b":["push-subscribe"]}`) })}, nil},
	} {
		v := newTestVerifier(t, Options{})
		token := issueDevice(t, v, authority(t, v, TokenParams{Capability: `{"a":["push-subscribe"]}`}), phone).Token
		var d DeviceGrant
		require.NoError(t, v.VerifyDeviceToken(&d, token, testNow), name)
		replace(t, v, c.keys...)
		err := v.VerifyDeviceToken(&d, token, testNow)
		if c.want != nil {
			require.ErrorIs(t, err, c.want, name)
			requireDeviceDenies(t, &d)
			continue
		}
		require.NoError(t, err, name)
		if name == "other rights" {
			require.ErrorIs(t, d.Authorize(channel("a")), ErrCapabilityDenied, "never more than its key has")
			require.ErrorIs(t, d.Authorize(channel("b")), ErrCapabilityDenied, "nor more than it was issued for")
		}
	}
	one, two := sealSecret(t, sealOne), sealSecret(t, sealTwo)
	v := newTestVerifier(t, Options{Seal: []SealSecret{one}})
	token := issueDevice(t, v, authority(t, v, TokenParams{}), phone).Token
	var d DeviceGrant
	require.NoError(t, v.Replace([]Key{testKey()}, TokenRules{}, []SealSecret{two, one}))
	require.NoError(t, v.VerifyDeviceToken(&d, token, testNow))
	require.NoError(t, v.Replace([]Key{testKey()}, TokenRules{}, []SealSecret{two}))
	require.ErrorIs(t, v.VerifyDeviceToken(&d, token, testNow), ErrDeviceToken)
}

func TestARevocationOfItsClientIDRefusesADeviceToken(t *testing.T) {
	for name, c := range map[string]struct {
		revocation Revocation
		at         UnixMilli
		refused    bool
	}{
		"its clientId":                {Revocation{RevokeClientID, "alice", testNow + 1, testNow + 1}, testNow + 1, true},
		"its clientId, years later":   {Revocation{RevokeClientID, "alice", testNow + 1, testNow + 1}, testNow + fiveYear - 1, true},
		"its clientId, not yet":       {Revocation{RevokeClientID, "alice", testNow + 1, testNow + 30_001}, testNow + 30_000, false},
		"its clientId, before it was": {Revocation{RevokeClientID, "alice", testNow, testNow}, testNow, false},
		"another clientId":            {Revocation{RevokeClientID, "bob", testNow + 1, testNow + 1}, testNow + 1, false},
		"the wildcard":                {Revocation{RevokeClientID, "*", testNow + 1, testNow + 1}, testNow + 1, false},
		"a channel":                   {Revocation{RevokeChannel, "*", testNow + 1, testNow + 1}, testNow + 1, false},
	} {
		v := newTestVerifier(t, Options{})
		token := issueDevice(t, v, authority(t, v, TokenParams{ClientID: "alice"}), phone).Token
		anonymous := issueDevice(t, v, authority(t, v, TokenParams{}), speaker).Token
		v.Revoke("appId.keyId", c.revocation)
		var d DeviceGrant
		err := v.VerifyDeviceToken(&d, token, c.at)
		if c.refused {
			require.ErrorIs(t, err, ErrDeviceTokenRevoked, name)
			requireDeviceDenies(t, &d)
		} else {
			require.NoError(t, err, name)
		}
		require.NoError(t, v.VerifyDeviceToken(&d, anonymous, c.at), name)
	}
}

// A device token outlives what it was issued by, so that is looked at once more.
func TestWhatIsGoodNoMoreIssuesNoDeviceToken(t *testing.T) {
	for name, c := range map[string]struct {
		change func(v *Verifier)
		keys   []Key
		grant  func(v *Verifier) *Grant
		device Device
		at     UnixMilli
		want   error
	}{
		"nothing":               {grant: func(*Verifier) *Grant { return new(Grant) }, want: ErrNothingGranted},
		"a revoked token":       {change: revoke(RevokeClientID, "alice", testNow+1, testNow), want: ErrTokenRevoked},
		"an expired token":      {at: testNow + 3_600_000, want: ErrTokenExpired},
		"a key that has ended":  {keys: []Key{{Name: "appId.keyId", Secret: testSecret, NotAfter: testNow + 10}}, at: testNow + 10, want: ErrKeyExpired},
		"a key on its way out":  {keys: []Key{{Name: "appId.keyId", Secret: testSecret, State: VerifyOnly}}, want: ErrKeyVerifyOnly},
		"no device":             {device: Device{ID: []byte{}}, want: ErrBody},
		"a device of two lines": {device: Device{ID: []byte("a\nb")}, want: ErrBody},
		"a device beyond UTF-8": {device: Device{ID: []byte{0xff}}, want: ErrBody},
		"too long a device":     {device: Device{ID: bytes.Repeat([]byte("d"), MaxDeviceIDBytes+1)}, want: ErrBody},
		"any clientId":          {device: Device{ID: []byte("d"), ClientID: []byte("*")}, want: ErrRequestClientID},
		"too large a capability": {keys: []Key{{Name: "appId.keyId", Secret: testSecret, Capability: set(t, manyChannels(200))}}, grant: func(v *Verifier) *Grant {
			g := new(Grant)
			require.NoError(t, v.VerifyKey(g, []byte("appId.keyId:"+testSecret), testNow))
			return g
		}, want: ErrTokenSize},
		"a token of another kind": {grant: func(v *Verifier) *Grant { return authority(t, v, TokenParams{}) }},
	} {
		v := newTestVerifier(t, Options{Keys: c.keys})
		if c.grant == nil {
			c.grant = func(v *Verifier) *Grant { return authority(t, v, TokenParams{ClientID: "alice"}) }
		}
		g := c.grant(v)
		if c.change != nil {
			c.change(v)
		}
		if c.device.ID == nil {
			c.device = phone
		}
		var details DeviceTokenDetails
		err := NewIssuer().IssueDevice(&details, g, &c.device, max(c.at, testNow))
		if c.want == nil {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, c.want, name)
		require.Empty(t, details.Token, name)
	}
	v, err := NewVerifier(Options{Keys: []Key{testKey()}})
	require.NoError(t, err)
	require.ErrorIs(t, NewIssuer().IssueDevice(new(DeviceTokenDetails), authority(t, v, TokenParams{}), &phone, testNow), ErrSealSecretMissing)
}

// manyChannels is a capability for push messages that fits no token.
func manyChannels(n int) string {
	rules := make([]string, n)
	for i := range rules {
		rules[i] = fmt.Sprintf(`"%028d":["*"]`, i)
	}
	return "{" + strings.Join(rules, ",") + "}"
}

func TestAnExplanationTellsADeviceToken(t *testing.T) {
	v := newTestVerifier(t, Options{})
	x := v.ExplainToken(issueDevice(t, v, authority(t, v, TokenParams{ClientID: "alice"}), phone).Token, testNow)
	require.Equal(t, ErrTokenKind, x.Err)
	require.Equal(t, Failed, x.Checks[0].Outcome)
	for _, text := range []string{"is a device token, which is no credential to connect with", `device "01ARZ3NDEKTSV4RRFFQ69G5FAV"`, `clientId "alice"`, "good as such", "expires in 43800h"} {
		require.Contains(t, x.Checks[0].Detail, text)
	}
	requireDenies(t, &x.Grant)
	// On a machine without the sealing secret there is less to tell.
	none, err := NewVerifier(Options{Keys: []Key{testKey()}})
	require.NoError(t, err)
	require.Contains(t, none.ExplainToken([]byte("appId.AQIA"), testNow).Checks[0].Detail, "only a server with its sealing secret can read")
}

package engine

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	accessSecret = "an-access-token-secret-of-32-byte"
	// Two tokens of the authorization server that is migrated from: the first was
	// requested with an alias, the second with the numeric id. Both expire at
	// 4102444800 and have no aud.
	aliasToken   = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJ0ZXN0dXNlcjAxIiwic2NvcGUiOiJwYXltZW50IiwiaXNzIjoiaHR0cHM6Ly9hcy5leGFtcGxlLmNvbSIsImV4cCI6NDEwMjQ0NDgwMCwiaWF0IjoxNTk0NjMyMTg5LCJjbGllbnRfaWQiOiJjbGllbnRhcHAwMSIsImp0aSI6IklSQnEtMSJ9.gr_zscJgHC_oXPJwttH5wAjUja1nZyfhewiavC16ioQ"
	numericToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJ0ZXN0dXNlcjAxIiwic2NvcGUiOiJwYXltZW50IiwiaXNzIjoiaHR0cHM6Ly9hcy5leGFtcGxlLmNvbSIsImV4cCI6NDEwMjQ0NDgwMCwiaWF0IjoxNTk0NjMyMTg5LCJjbGllbnRfaWQiOiIxNzIwMTA4MzE2NjE2MSIsImp0aSI6IklSQnEtMiJ9.m6B9bZ5IHeNPXQK_wkj-B063nLOsYgCOeg2NN0slv9U"

	accessHead = `{"alg":"HS256","typ":"at+jwt"}`
)

func testService() Service {
	return Service{ID: "1415", Issuer: "https://as.example.com", Audience: "https://api.example.com", TokenSecret: accessSecret}
}

func prepareService(t testing.TB, v *Verifier, services ...Service) []*ServiceKey {
	t.Helper()
	if len(services) == 0 {
		services = []Service{testService()}
	}
	keys, err := v.PrepareServices(services)
	require.NoError(t, err)
	return keys
}

// signAccess signs a header and claims as they stand, with the standard library.
func signAccess(header, claims, secret string) []byte {
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(header)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return []byte(input + "." + encode(mac.Sum(nil)))
}

// accessClaimsWith are good claims with some of them written otherwise: name, JSON, …
// where "" leaves one out.
func accessClaimsWith(change ...string) string {
	claims := []string{
		"iss", `"https://as.example.com"`, "exp", "1700003600", "iat", "1700000000", "client_id", `"clientapp01"`, "jti", `"t1"`,
		"sub", `"testuser01"`, "scope", `"payment"`, "aud", `["https://other.example","https://api.example.com"]`,
	}
	for i := 0; i < len(change); i += 2 {
		at := -1
		for j := 0; j < len(claims); j += 2 {
			if claims[j] == change[i] {
				at = j
			}
		}
		if at < 0 {
			claims = append(claims, change[i], "")
			at = len(claims) - 2
		}
		claims[at+1] = change[i+1]
	}
	var members []string
	for i := 0; i < len(claims); i += 2 {
		if claims[i+1] != "" {
			members = append(members, `"`+claims[i]+`":`+claims[i+1])
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func requireSaysNothing(t *testing.T, a *AccessToken) {
	t.Helper()
	require.Equal(t, accessVerdict{}, a.accessVerdict)
	require.False(t, a.Refreshable(testNow))
}

func TestTokensOfTheOldServerVerify(t *testing.T) {
	for _, cacheBytes := range []int64{0, 1 << 20} {
		v := newTestVerifier(t, Options{CacheBytes: cacheBytes})
		k := prepareService(t, v)[0]
		for token, want := range map[string][2]string{aliasToken: {"clientapp01", "IRBq-1"}, numericToken: {"17201083166161", "IRBq-2"}} {
			var a AccessToken
			for range 2 {
				require.NoError(t, v.VerifyAccessToken(&a, k, []byte(token), testNow))
				require.Equal(t, want, [2]string{string(a.ClientID), string(a.ID)})
				require.Equal(t, "testuser01", string(a.Subject))
				require.Equal(t, "payment", string(a.Scope))
				require.Equal(t, UnixMilli(4_102_444_800_000), a.Expires)
				require.Equal(t, UnixMilli(1_594_632_189_000), a.Issued)
				require.Empty(t, a.Client)
				require.False(t, a.Refreshable(testNow))
				v.WaitCache()
			}
			require.Equal(t, cacheBytes > 0, a.FromCache())
		}
	}
}

func TestWhatIsMintedVerifies(t *testing.T) {
	full := AccessClaims{
		ID: []byte("id\"1"), ClientID: []byte("legacy/app+1"), Subject: []byte("é"), Scope: []byte("a b"), GrantType: []byte("AUTHORIZATION_CODE"),
		ACR: []byte("mfa"), AuthTime: 1_700_000_000_000, Issued: 1_700_000_100_999, Expires: 1_700_003_700_999, Client: []byte("30000000000001"), Alias: []byte("old"), Family: []byte("f1"),
		RefreshExpires: 1_700_009_000_000, Properties: []byte(`[{"key":"k","value":"v","hidden":true}]`),
	}
	least := AccessClaims{ID: []byte("i"), ClientID: []byte("1"), Expires: 1_700_003_600_000}
	for _, profile := range []AccessProfile{AuthleteProfile, RFC9068Profile} {
		service := testService()
		service.Profile = profile
		v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
		k := prepareService(t, v, service)[0]
		for _, c := range []AccessClaims{full, least} {
			for _, opaque := range []bool{false, true} {
				token, err := k.AppendAccessToken(nil, &c, opaque)
				require.NoError(t, err)
				var a AccessToken
				err = v.VerifyAccessToken(&a, k, token, testNow)
				if profile == RFC9068Profile && !opaque && c.Subject == nil {
					require.ErrorIs(t, err, ErrIssuedAtMissing)
					continue
				}
				require.NoError(t, err)
				v.WaitCache()
				for range 2 { // the second time from the cache
					want := c
					want.Issued, want.Expires = c.Issued/1000*1000, c.Expires/1000*1000
					got := a.AccessClaims
					properties, err := a.AppendProperties(nil)
					require.NoError(t, err)
					got.Properties = properties
					require.Equal(t, want, got)
					require.Equal(t, c.RefreshExpires != 0, a.Refreshable(testNow))
					require.NoError(t, v.VerifyAccessToken(&a, k, token, testNow))
				}
				require.True(t, a.FromCache())
				if opaque {
					require.Equal(t, 1, bytes.Count(token, []byte{'.'}))
					require.NotContains(t, string(token), base64.RawURLEncoding.EncodeToString([]byte("legacy")))
				} else {
					claims, err := base64.RawURLEncoding.DecodeString(strings.Split(string(token), ".")[1])
					require.NoError(t, err)
					require.NotContains(t, string(claims), `"hidden"`, "what is hidden cannot be read in a JWT")
				}
			}
		}
	}
}

func TestExtraClaimsStandInAJWT(t *testing.T) {
	v := newTestVerifier(t, Options{})
	k := prepareService(t, v)[0]
	token, err := k.AppendAccessToken(nil, &AccessClaims{ID: []byte("i"), ClientID: []byte("1"), Expires: testNow + 5000, Extra: []byte(`,"tier":["gold"]`)}, false)
	require.NoError(t, err)
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(string(token), ".")[1])
	require.NoError(t, err)
	require.JSONEq(t, `{"iss":"https://as.example.com","exp":1700000105,"jti":"i","client_id":"1","tier":["gold"]}`, string(claims))
	var a AccessToken
	require.NoError(t, v.VerifyAccessToken(&a, k, token, testNow))
	for _, name := range []string{"iss", "client_id", "x-portcullis-client", "x-portcullis-", "x-ably-capability", "active", "access_token"} {
		require.True(t, ReservedClaim(name), name)
	}
	require.False(t, ReservedClaim("tier"))
	require.False(t, ReservedClaim("x-portcullis"))
}

// What is expected follows from RFC 7515, RFC 7519, RFC 8725 and the profile.
func TestRefusedAccessTokens(t *testing.T) {
	good := accessClaimsWith()
	type c struct {
		token []byte
		want  error
	}
	claims := func(change ...string) []byte {
		return signAccess(accessHead, accessClaimsWith(change...), accessSecret)
	}
	head := func(header string) []byte { return signAccess(header, good, accessSecret) }
	unsigned := string(head(`{"alg":"none"}`))
	cases := map[string]c{
		"alg none":                    {[]byte(unsigned[:strings.LastIndexByte(unsigned, '.')+1]), ErrAlgorithm},
		"alg none, signed":            {[]byte(unsigned), ErrAlgorithm},
		"alg HS512":                   {head(`{"alg":"HS512","typ":"at+jwt"}`), ErrAlgorithm},
		"alg RS256":                   {head(`{"alg":"RS256","typ":"at+jwt"}`), ErrAlgorithm},
		"no alg":                      {head(`{"typ":"at+jwt"}`), ErrAlgorithm},
		"crit":                        {head(`{"alg":"HS256","crit":["exp"]}`), ErrCritical},
		"typ of something else":       {head(`{"alg":"HS256","typ":"dpop+jwt"}`), ErrType},
		"typ of no string":            {head(`{"alg":"HS256","typ":1}`), ErrType},
		"kid of another service":      {head(`{"alg":"HS256","kid":"1416"}`), ErrKid},
		"kid of no string":            {head(`{"alg":"HS256","kid":1415}`), ErrKid},
		"two algs":                    {head(`{"alg":"HS256","alg":"HS256"}`), ErrDuplicateName},
		"another secret":              {signAccess(accessHead, good, "another-access-token-secret-of-32"), ErrSignature},
		"not signed":                  {[]byte(unsigned[:strings.LastIndexByte(unsigned, '.')]), ErrAccessToken},
		"claims are no object":        {signAccess(accessHead, `[]`, accessSecret), ErrClaims},
		"a claim twice":               {signAccess(accessHead, strings.Replace(good, `"jti":"t1"`, `"jti":"t1","jti":"t1"`, 1), accessSecret), ErrDuplicateName},
		"a claim twice, escaped":      {signAccess(accessHead, strings.Replace(good, `"jti":"t1"`, `"jti":"t1","\u006ati":"t2"`, 1), accessSecret), ErrDuplicateName},
		"another issuer":              {claims("iss", `"https://as.example.com/"`), ErrAccessTokenIssuer},
		"no issuer":                   {claims("iss", ""), ErrAccessTokenIssuer},
		"issuers":                     {claims("iss", `["https://as.example.com"]`), ErrAccessTokenIssuer},
		"no exp":                      {claims("exp", ""), ErrExpiryMissing},
		"exp as text":                 {claims("exp", `"1700003600"`), ErrTimeClaim},
		"exp past":                    {claims("exp", "1700000100"), ErrTokenExpired},
		"iat as text":                 {claims("iat", `"1700000000"`), ErrTimeClaim},
		"iat ahead":                   {claims("iat", "1700000161"), ErrIssuedInFuture},
		"nbf ahead":                   {claims("nbf", "1700000161"), ErrNotYetValid},
		"no jti":                      {claims("jti", ""), ErrAccessTokenClaim},
		"empty jti":                   {claims("jti", `""`), ErrAccessTokenClaim},
		"jti as number":               {claims("jti", `1`), ErrAccessTokenClaim},
		"a long jti":                  {claims("jti", `"`+strings.Repeat("j", MaxTokenIDBytes+1)+`"`), ErrAccessTokenClaim},
		"no client_id":                {claims("client_id", ""), ErrAccessTokenClaim},
		"client_id as number":         {claims("client_id", `17201083166161`), ErrAccessTokenClaim},
		"sub as number":               {claims("sub", `1`), ErrAccessTokenClaim},
		"scope as array":              {claims("scope", `["payment"]`), ErrAccessTokenClaim},
		"acr as number":               {claims("acr", `1`), ErrAccessTokenClaim},
		"auth_time as text":           {claims("auth_time", `"1"`), ErrTimeClaim},
		"cnf":                         {claims("cnf", `{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`), ErrAccessTokenProof},
		"cnf null":                    {claims("cnf", `null`), ErrAccessTokenProof},
		"our own claim as number":     {claims("x-portcullis-client", `17201083166161`), ErrAccessTokenClaim},
		"our own family as number":    {claims("x-portcullis-family", `1`), ErrAccessTokenClaim},
		"our own properties in clear": {claims("x-portcullis-properties", `[]`), ErrAccessTokenClaim},
		"our own refresh as text":     {claims("x-portcullis-refresh-exp", `"1"`), ErrTimeClaim},
		"nothing":                     {nil, ErrSegments},
		"no dot":                      {[]byte("abc"), ErrSegments},
		"four dots":                   {[]byte("a.b.c.d.e"), ErrSegments},
		"an Ably JWT":                 {[]byte(testToken), ErrKid},
		"an opaque one of nobody":     {[]byte("1415.AAAA"), ErrAccessToken},
		"too long":                    {bytes.Repeat([]byte("a"), MaxTokenBytes+1), ErrTokenTooLong},
	}
	for name, c := range cases {
		for _, cacheBytes := range []int64{0, 1 << 20} {
			v := newTestVerifier(t, Options{CacheBytes: cacheBytes})
			k := prepareService(t, v)[0]
			var a AccessToken
			require.NoError(t, v.VerifyAccessToken(&a, k, claims(), testNow))
			require.ErrorIs(t, v.VerifyAccessToken(&a, k, c.token, testNow), c.want, name)
			if c.want != ErrTokenExpired {
				requireSaysNothing(t, &a)
			}
		}
	}
	v := newTestVerifier(t, Options{})
	k := prepareService(t, v)[0]
	var a AccessToken
	for name, token := range map[string][]byte{
		"typ JWT": head(`{"alg":"HS256","typ":"JWT"}`), "typ jwt": head(`{"alg":"HS256","typ":"jwt"}`), "no typ": head(`{"alg":"HS256"}`),
		"typ as a media type": head(`{"typ":"application/AT+JWT","alg":"HS256"}`), "its kid": head(`{"alg":"HS256","kid":"1415"}`),
		"no iat": claims("iat", ""), "no sub": claims("sub", ""), "no aud": claims("aud", ""), "no scope": claims("scope", ""),
		"another aud": claims("aud", `"x"`), "unknown claims": claims("roles", `["a"]`), "an escaped client_id": claims("client_id", `"client\u0061pp01"`),
	} {
		require.NoError(t, v.VerifyAccessToken(&a, k, token, testNow), name)
		require.Equal(t, "clientapp01", string(a.ClientID))
	}
}

func TestTheProfileOfRFC9068(t *testing.T) {
	service := testService()
	service.Profile = RFC9068Profile
	v := newTestVerifier(t, Options{})
	k := prepareService(t, v, service)[0]
	var a AccessToken
	claims := func(change ...string) []byte {
		return signAccess(accessHead, accessClaimsWith(change...), accessSecret)
	}
	for name, token := range map[string][]byte{
		"several audiences": claims(), "one": claims("aud", `"https://api.example.com"`), "escaped": claims("aud", `["https:\/\/api.example.com"]`),
	} {
		require.NoError(t, v.VerifyAccessToken(&a, k, token, testNow), name)
	}
	for name, c := range map[string]struct {
		token []byte
		want  error
	}{
		"typ JWT":             {signAccess(`{"alg":"HS256","typ":"JWT"}`, accessClaimsWith(), accessSecret), ErrType},
		"no typ":              {signAccess(`{"alg":"HS256"}`, accessClaimsWith(), accessSecret), ErrType},
		"no iat":              {claims("iat", ""), ErrIssuedAtMissing},
		"no sub":              {claims("sub", ""), ErrAccessTokenClaim},
		"no aud":              {claims("aud", ""), ErrAccessTokenClaim},
		"another aud":         {claims("aud", `["https://api.example.com/"]`), ErrAccessTokenClaim},
		"aud of no string":    {claims("aud", `[1,{"a":"https://api.example.com"}]`), ErrAccessTokenClaim},
		"the old server's":    {[]byte(aliasToken), ErrAccessTokenClaim},
		"expired, and no aud": {claims("aud", "", "exp", "1700000100"), ErrAccessTokenClaim},
	} {
		require.ErrorIs(t, v.VerifyAccessToken(&a, k, c.token, testNow), c.want, name)
		requireSaysNothing(t, &a)
	}
}

// An Ably token is no access token and an access token no Ably token, whatever the
// cache holds.
func TestProfilesAreApart(t *testing.T) {
	v := newTestVerifier(t, Options{CacheBytes: 1 << 20, Keys: []Key{testKey(), {Name: "1415.key", Secret: accessSecret}}})
	keys := prepareService(t, v, testService(), Service{ID: "1416", Issuer: "https://as.example.com", TokenSecret: accessSecret})
	k, other := keys[0], keys[1]
	var a AccessToken
	var g Grant
	opaque, err := k.AppendAccessToken(nil, &AccessClaims{ID: []byte("i"), ClientID: []byte("1"), Expires: testNow + 5000}, true)
	require.NoError(t, err)
	ably := issue(t, v, with("clientId", "alice"), testNow).Token
	labelled := signAccess(`{"alg":"HS256","typ":"JWT","kid":"1415.key"}`, accessClaimsWith(), accessSecret) // as an Ably JWT
	for range 3 {
		require.NoError(t, v.VerifyAccessToken(&a, k, []byte(aliasToken), testNow))
		require.ErrorIs(t, v.VerifyToken(&g, []byte(aliasToken), testNow), ErrType)
		require.Equal(t, 40144, ErrType.Code)
		require.NoError(t, v.VerifyAccessToken(&a, k, opaque, testNow))
		require.ErrorIs(t, v.VerifyToken(&g, opaque, testNow), ErrAblyToken)
		require.Equal(t, 40145, ErrAblyToken.Code)
		require.ErrorIs(t, v.VerifyAccessToken(&a, other, opaque, testNow), ErrAccessToken, "another service's")

		require.NoError(t, v.VerifyToken(&g, []byte(testToken), testNow))
		require.ErrorIs(t, v.VerifyAccessToken(&a, k, []byte(testToken), testNow), ErrKid)
		require.NoError(t, v.VerifyToken(&g, ably, testNow))
		require.ErrorIs(t, v.VerifyAccessToken(&a, k, ably, testNow), ErrAccessToken)
		require.NoError(t, v.VerifyToken(&g, labelled, testNow))
		require.ErrorIs(t, v.VerifyAccessToken(&a, k, labelled, testNow), ErrKid)
		v.WaitCache()
	}
}

// A sealed string is of one kind, one service and one issuer.
func TestSealedStringsOfServices(t *testing.T) {
	second := sealSecret(t, "a second sealing secret, long enough")
	first := sealSecret(t, sealOne)
	v := newTestVerifier(t, Options{Seal: []SealSecret{first}})
	other := Service{ID: "1416", Issuer: "https://as.example.com", TokenSecret: accessSecret}
	k := prepareService(t, v, testService(), other)[0]
	kinds := []SealedState{SealedTicket, SealedCode, SealedRefresh}
	sealed := map[SealedState][]byte{}
	for _, kind := range kinds {
		text, err := k.AppendSealed([]byte("before "), kind, []byte("payload"))
		require.NoError(t, err)
		sealed[kind] = text[len("before "):]
		again, err := k.AppendSealed(nil, kind, []byte("payload"))
		require.NoError(t, err)
		require.NotEqual(t, sealed[kind], again)
	}
	requireOpens := func(k *ServiceKey) {
		t.Helper()
		for _, made := range kinds {
			for _, asked := range kinds {
				got, err := k.OpenSealed([]byte("dst "), asked, sealed[made])
				if made == asked {
					require.NoError(t, err)
					require.Equal(t, "dst payload", string(got))
					continue
				}
				require.ErrorIs(t, err, ErrAccessToken)
				_, err = k.OpenSealed(nil, asked, relabelled(t, sealed[made], sealKind(asked)))
				require.ErrorIs(t, err, ErrAccessToken, "the kind is not only a label")
			}
		}
	}
	requireOpens(k)
	var a AccessToken
	require.ErrorIs(t, v.VerifyAccessToken(&a, k, sealed[SealedRefresh], testNow), ErrAccessToken)
	require.ErrorIs(t, v.VerifyAccessToken(&a, k, relabelled(t, sealed[SealedRefresh], sealOAuth), testNow), ErrAccessToken)

	for i := range sealed[SealedCode] {
		changed := bytes.Clone(sealed[SealedCode])
		changed[i] ^= 1
		_, err := k.OpenSealed(nil, SealedCode, changed)
		require.ErrorIs(t, err, ErrAccessToken, "byte %d", i)
		_, err = k.OpenSealed(nil, SealedCode, sealed[SealedCode][:i])
		require.ErrorIs(t, err, ErrAccessToken)
	}

	refused := func(why string, services ...Service) {
		t.Helper()
		_, err := prepareService(t, v, services...)[0].OpenSealed(nil, SealedCode, sealed[SealedCode])
		require.ErrorIs(t, err, ErrAccessToken, why)
	}
	refused("another service", other)
	moved := testService()
	moved.Issuer = "https://new.example.com"
	refused("another issuer", moved)
	rotated := testService()
	rotated.TokenSecret = "another-access-token-secret-of-32"
	requireOpens(prepareService(t, v, rotated)[0]) // the token secret signs JWTs and nothing else

	require.NoError(t, v.Replace([]Key{testKey()}, TokenRules{}, []SealSecret{second, first}))
	requireOpens(prepareService(t, v)[0])
	require.NoError(t, v.Replace([]Key{testKey()}, TokenRules{}, []SealSecret{second}))
	refused("the secret is gone", testService())
	require.NoError(t, v.Replace([]Key{testKey()}, TokenRules{}, nil))
	_, err := prepareService(t, v)[0].AppendSealed(nil, SealedCode, nil)
	require.Error(t, err)

	_, err = k.AppendSealed(nil, SealedCode, make([]byte, MaxTokenBytes))
	require.ErrorIs(t, err, ErrTokenSize)
}

func TestPrepareServicesRefuses(t *testing.T) {
	v := newTestVerifier(t, Options{})
	for name, change := range map[string]func(*Service){
		"an id that is no number": func(s *Service) { s.ID = "a.b" },
		"no id":                   func(s *Service) { s.ID = "" },
		"a short secret":          func(s *Service) { s.TokenSecret = s.TokenSecret[:MinTokenSecretBytes-1] },
	} {
		s := testService()
		change(&s)
		_, err := v.PrepareServices([]Service{s})
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), accessSecret[:10])
	}
	_, err := v.PrepareServices([]Service{testService(), testService()})
	require.ErrorContains(t, err, "1415")
}

func TestRevokedAccessTokens(t *testing.T) {
	for _, cacheBytes := range []int64{0, 1 << 20} {
		v := newTestVerifier(t, Options{CacheBytes: cacheBytes})
		k := prepareService(t, v)[0]
		mint := func(id, family string) []byte {
			token, err := k.AppendAccessToken(nil, &AccessClaims{ID: []byte(id), ClientID: []byte("1"), Family: []byte(family), Expires: testNow + 60_000, RefreshExpires: testNow + 90_000}, id[0] == 'o')
			require.NoError(t, err)
			return token
		}
		tokens := map[string][]byte{"o1": mint("o1", "f"), "j1": mint("j1", "f"), "j2": mint("j2", "f"), "j3": mint("j3", "g"), "f": mint("f", "")}
		var a AccessToken
		requireRevoked := func(want map[string]bool) {
			t.Helper()
			for id, token := range tokens {
				err := v.VerifyAccessToken(&a, k, token, testNow)
				if want[id] {
					require.ErrorIs(t, err, ErrTokenRevoked, id)
					requireSaysNothing(t, &a)
				} else {
					require.NoError(t, err, id)
				}
			}
			v.WaitCache()
		}
		requireRevoked(nil)
		v.Revoke(k.RevocationName(), Revocation{Target: RevokeTokenID, Value: "j1", IssuedBefore: testNow + 60_000})
		requireRevoked(map[string]bool{"j1": true})
		require.NoError(t, v.VerifyAccessToken(&a, k, tokens["j2"], testNow))
		require.True(t, a.Refreshable(testNow))
		require.False(t, a.Refreshable(testNow+90_000))
		v.Revoke(k.RevocationName(), Revocation{Target: RevokeFamily, Value: "f", IssuedBefore: testNow + 60_000})
		requireRevoked(map[string]bool{"o1": true, "j1": true, "j2": true})
		require.True(t, k.FamilyRevoked([]byte("f")))
		require.False(t, k.FamilyRevoked([]byte("g")))
		require.Equal(t, 2, v.RevocationCount())
		// They outlive the key, and another service's tokens are not concerned.
		k = prepareService(t, v, Service{ID: "1415", Issuer: "https://as.example.com", TokenSecret: accessSecret, Audience: "x"})[0]
		requireRevoked(map[string]bool{"o1": true, "j1": true, "j2": true})
		v.ForgetRevocations(testNow + 60_000)
		require.Equal(t, 2, v.RevocationCount(), "they are needed until then")
		v.ForgetRevocations(testNow + 60_001)
		require.Zero(t, v.RevocationCount())
		v.Revoke(k.RevocationName(), Revocation{Target: RevokeTokenID, Value: "f", IssuedBefore: testNow + 60_000})
		requireRevoked(map[string]bool{"f": true})
	}
}

func TestACachedAccessTokenEnds(t *testing.T) {
	for _, cacheBytes := range []int64{0, 1 << 20} {
		v := newTestVerifier(t, Options{CacheBytes: cacheBytes})
		k := prepareService(t, v)[0]
		token := signAccess(accessHead, accessClaimsWith(), accessSecret)
		var a AccessToken
		require.NoError(t, v.VerifyAccessToken(&a, k, token, testNow))
		v.WaitCache()
		require.ErrorIs(t, v.VerifyAccessToken(&a, k, token, 1_700_003_600_000), ErrTokenExpired)
		require.Equal(t, "clientapp01", string(a.ClientID), "its owner may know that it was his")
		require.ErrorIs(t, v.VerifyAccessToken(&a, k, token, 1_700_000_000_000-60_001), ErrIssuedInFuture)
		requireSaysNothing(t, &a)
		rotated := testService()
		rotated.TokenSecret = "another-access-token-secret-of-32"
		next := prepareService(t, v, rotated)[0]
		require.ErrorIs(t, v.VerifyAccessToken(&a, next, token, testNow), ErrSignature)
		require.NoError(t, v.VerifyAccessToken(&a, k, token, testNow), "who began with the old key goes on with it")
	}
}

func TestAnUnchangedServiceKeepsItsCache(t *testing.T) {
	v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
	k := prepareService(t, v)[0]
	var a AccessToken
	require.NoError(t, v.VerifyAccessToken(&a, k, []byte(aliasToken), testNow))
	v.WaitCache()
	require.Same(t, k, prepareService(t, v, Service{ID: "9", TokenSecret: accessSecret}, testService())[1])
	require.NoError(t, v.VerifyAccessToken(&a, k, []byte(aliasToken), testNow))
	require.True(t, a.FromCache())
}

func TestVerifyingAccessTokensAllocatesNothing(t *testing.T) {
	needsExactAllocs(t)
	claims := AccessClaims{
		ID: []byte("AAAAAAAAAAAAAAAAAAAAAA"), ClientID: []byte("clientapp01"), Subject: []byte("testuser01"), Scope: []byte("payment openid"), GrantType: []byte("AUTHORIZATION_CODE"),
		Issued: testNow, Expires: testNow + 3_600_000, Client: []byte("17201083166161"), Family: []byte("BAAAAAAAAAAAAAAAAAAAAA"), RefreshExpires: testNow + 7_200_000, Properties: []byte(`[{"key":"k"}]`),
	}
	for _, cacheBytes := range []int64{0, 1 << 20} {
		v := newTestVerifier(t, Options{CacheBytes: cacheBytes})
		k := prepareService(t, v)[0]
		v.Revoke(k.RevocationName(), Revocation{Target: RevokeFamily, Value: "another", IssuedBefore: testNow + 60_000})
		jwt, err := k.AppendAccessToken(nil, &claims, false)
		require.NoError(t, err)
		opaque, err := k.AppendAccessToken(nil, &claims, true)
		require.NoError(t, err)
		escaped := signAccess(accessHead, accessClaimsWith("client_id", `"\u0063lient"`, "jti", `"`+strings.Repeat("j", MaxTokenIDBytes)+`"`), accessSecret)
		for name, token := range map[string][]byte{"jwt": jwt, "opaque": opaque, "of another": []byte(aliasToken), "escaped": escaped} {
			var a AccessToken
			require.NoError(t, v.VerifyAccessToken(&a, k, token, testNow))
			v.WaitCache()
			t.Run(name, func(t *testing.T) {
				requireNoAllocs(t, func() error { return v.VerifyAccessToken(&a, k, token, testNow) })
				require.Equal(t, cacheBytes > 0, a.FromCache())
			})
		}
	}
}

func BenchmarkVerifyAccessToken(b *testing.B) {
	for _, opaque := range []bool{false, true} {
		for _, cacheBytes := range []int64{0, 1 << 20} {
			name := "kind=jwt"
			if opaque {
				name = "kind=opaque"
			}
			if cacheBytes > 0 {
				name += "/cache=hit"
			} else {
				name += "/cache=off"
			}
			b.Run(name, func(b *testing.B) {
				v := newTestVerifier(b, Options{CacheBytes: cacheBytes})
				k := prepareService(b, v)[0]
				token, err := k.AppendAccessToken(nil, &AccessClaims{
					ID: []byte("AAAAAAAAAAAAAAAAAAAAAA"), ClientID: []byte("clientapp01"), Subject: []byte("testuser01"), Scope: []byte("payment"), GrantType: []byte("AUTHORIZATION_CODE"),
					Issued: testNow, Expires: testNow + 3_600_000, Client: []byte("17201083166161"), Family: []byte("BAAAAAAAAAAAAAAAAAAAAA"), RefreshExpires: testNow + 7_200_000,
				}, opaque)
				require.NoError(b, err)
				var a AccessToken
				require.NoError(b, v.VerifyAccessToken(&a, k, token, testNow))
				v.WaitCache()
				b.ReportAllocs()
				b.SetBytes(int64(len(token)))
				for b.Loop() {
					if err := v.VerifyAccessToken(&a, k, token, testNow); err != nil {
						b.Fatal(err)
					}
				}
				require.Equal(b, cacheBytes > 0, a.FromCache())
			})
		}
	}
}

package fuzz

import (
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/internal/oracle"
)

// accessCourt holds the access tokens of two services, one of each token profile,
// against the oracle.
type accessCourt struct {
	verifiers []*engine.Verifier
	keys      [][]*engine.ServiceKey // by verifier, then by service
	services  []oracle.Service
}

const accessNow = 1_700_000_100_000

func newAccessCourt(f *testing.F) *accessCourt {
	c := &accessCourt{services: []oracle.Service{
		{ID: "1415", Issuer: "https://as.example.com", Audience: "https://api.example.com", Secret: "an-access-token-secret-of-32-byte"},
		{ID: "1416", Issuer: "https://as.example.com", Audience: "https://api.example.com", Secret: "an-access-token-secret-of-32-byte", RFC9068: true},
	}}
	var services []engine.Service
	for _, s := range c.services {
		profile := engine.AuthleteProfile
		if s.RFC9068 {
			profile = engine.RFC9068Profile
		}
		services = append(services, engine.Service{ID: s.ID, Issuer: s.Issuer, Audience: s.Audience, TokenSecret: engine.Secret(s.Secret), Profile: profile})
	}
	for _, cacheBytes := range []int64{0, 1 << 20} {
		v, err := engine.NewVerifier(engine.Options{CacheBytes: cacheBytes})
		require.NoError(f, err)
		f.Cleanup(v.Close)
		keys, err := v.PrepareServices(services)
		require.NoError(f, err)
		c.verifiers, c.keys = append(c.verifiers, v), append(c.keys, keys)
	}
	return c
}

// requireOneVerdict holds every way of verifying an access token against the oracle,
// for each service; and no Ably path takes it.
func (c *accessCourt) requireOneVerdict(t *testing.T, token []byte, now int64) {
	t.Helper()
	var a engine.AccessToken
	var g engine.Grant
	for i, s := range c.services {
		want := oracle.VerifyAccessToken(s, string(token), now)
		for _, way := range []int{0, 1, 1} {
			err := verifyAccess(c.verifiers[way], &a, c.keys[way][i], token, now)
			reason := ""
			if err != nil {
				reason = string(err.(*engine.ErrorInfo).Reason())
			}
			got := oracle.AccessVerdict{Reason: reason, ID: string(a.ID), ClientID: string(a.ClientID), Subject: string(a.Subject), Scope: string(a.Scope), Issued: int64(a.Issued), Expires: int64(a.Expires)}
			require.Equal(t, want, got, "service %s, way %d: %q", s.ID, way, token)
			require.Error(t, c.verifiers[way].VerifyToken(&g, token, engine.UnixMilli(now)))
		}
	}
}

// FuzzAccessToken signs whatever header and claims the fuzzer makes up.
func FuzzAccessToken(f *testing.F) {
	c := newAccessCourt(f)
	const good = `{"iss":"https://as.example.com","exp":1700003600,"iat":1700000000,"client_id":"clientapp01","jti":"t1","sub":"u","scope":"payment","aud":"https://api.example.com"}`
	for _, header := range []string{`{"alg":"HS256","typ":"at+jwt"}`, `{"alg":"HS256"}`, `{"alg":"HS256","typ":"JWT","kid":"1415"}`, `{"alg":"none"}`, `{"alg":"HS256","crit":[]}`, `{"alg":"HS256","typ":"application/AT+jwt","kid":"1416"}`} {
		f.Add(header, good, int64(accessNow))
	}
	for _, claims := range []string{
		`{}`, `[]`, good + " ", good[:len(good)-1] + `,"cnf":{}}`, good[:len(good)-1] + `,"jti":"t2"}`, good[:len(good)-1] + `,"nbf":1700000161}`, good[:len(good)-1] + `,"a":{"b":1,"b":2}}`,
		good[:len(good)-1] + `,"x-portcullis-client":"1","x-portcullis-family":"f","x-portcullis-alias":"a","x-portcullis-refresh-exp":1700009000}`, good[:len(good)-1] + `,"x-portcullis-properties":[]}`,
		good[:len(good)-1] + `,"x-portcullis-properties":"x.y","acr":"mfa","auth_time":1,"grant_type":"X"}`,
		`{"iss":"https:\/\/as.example.com","exp":1.7000036e9,"client_id":"\u0063","jti":"\n","aud":["x",1,"https://api.example.com"],"iat":1700000160,"sub":"u"}`,
		`{"iss":"https://as.example.com","exp":1700000100,"client_id":"c","jti":"t"}`, `{"iss":"https://as.example.com","client_id":"c","jti":"t"}`, `{"iss":"x"}`,
	} {
		f.Add(`{"alg":"HS256","typ":"at+jwt"}`, claims, int64(accessNow))
	}
	f.Fuzz(func(t *testing.T, header, claims string, now int64) {
		c.requireOneVerdict(t, sign(header, claims, c.services[0].Secret), clampTime(now))
	})
}

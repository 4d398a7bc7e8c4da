package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// carrier is a way in which a stranger's library puts a token into one of its own.
type carrier struct {
	name     string
	job      job
	inHeader bool
}

// hidesClaims tells whether nobody but the recipient can read its claims.
func (c carrier) hidesClaims() bool { return c.job.Enc != "" }

// carry is the job of minting the outer token, with claims of its own.
func (c carrier) carry(inner string, claims object) job {
	j, place := c.job, object{"x-ably-token": inner}
	j.Claims = object{"sub": "user-1"}
	maps.Copy(j.Claims, claims)
	if c.inHeader {
		j.Header = place
	} else {
		maps.Copy(j.Claims, place)
	}
	return j
}

const (
	issuerKid    = "https://issuer.example/keys/1"
	issuerSecret = "issuer-8Wd2kQx5TnVy7RbMfJhZpL3c"
)

var carriers = []carrier{
	{"jsonwebtoken, HS256, header", job{Library: "jsonwebtoken", Alg: "HS256", Kid: issuerKid, Secret: issuerSecret}, true},
	{"jsonwebtoken, HS256, claims", job{Library: "jsonwebtoken", Alg: "HS256", Kid: issuerKid, Secret: issuerSecret}, false},
	{"jsonwebtoken, RS256, header", job{Library: "jsonwebtoken", Alg: "RS256", Kid: issuerKid}, true},
	{"jsonwebtoken, RS256, claims", job{Library: "jsonwebtoken", Alg: "RS256", Kid: issuerKid}, false},
	{"jsonwebtoken, none, header", job{Library: "jsonwebtoken", Alg: "none", Kid: issuerKid}, true},
	{"jose, HS256 with one of our kids, header", job{Library: "jose", Alg: "HS256", Kid: keyFull, Secret: issuerSecret}, true},
	{"jose, ES512, header", job{Library: "jose", Alg: "ES512", Kid: issuerKid}, true},
	{"jose, EdDSA, claims", job{Library: "jose", Alg: "EdDSA", Kid: issuerKid}, false},
	{"jose, none, claims", job{Library: "jose", Alg: "none"}, false},
	{"jose, encrypted directly", job{Library: "jose", Alg: "dir", Enc: "A256GCM", Kid: issuerKid}, true},
	{"jose, encrypted with A256GCMKW", job{Library: "jose", Alg: "A256GCMKW", Enc: "A128CBC-HS256", Kid: issuerKid}, true},
	{"jose, encrypted with RSA-OAEP-256", job{Library: "jose", Alg: "RSA-OAEP-256", Enc: "A256GCM", Kid: issuerKid}, true},
}

// issueWith requests an opaque token with a key, as its owner may without signing
// the request.
func issueWith(t testing.TB, url string, key sandboxKey, fields object) (details tokenDetails) {
	t.Helper()
	body := object{"keyName": key.KeyName, "timestamp": time.Now().UnixMilli()}
	maps.Copy(body, fields)
	text, err := json.Marshal(body)
	require.NoError(t, err)
	ask := presentKey(key.KeyStr).withHeader("Content-Type", typeJSON)
	ask.method, ask.path, ask.body = "POST", "/keys/"+key.KeyName+"/requestToken", string(text)
	a := ask.send(t, url)
	require.Equal(t, 201, a.status, "%s", a.body)
	require.NoError(t, json.Unmarshal(a.body, &details))
	return details
}

// awaitPast asks the server for its time until that is past ms.
func awaitPast(t testing.TB, url string, ms int64) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		a := request{path: "/time"}.send(t, url)
		var now []int64
		require.NoError(t, json.Unmarshal(a.body, &now), "%s", a.body)
		if now[0] > ms {
			return
		}
	}
	require.Fail(t, "the server's clock stands still")
}

// outerToken is what a carrier is to carry, beside which claims.
type outerToken struct {
	inner  string
	claims object
}

// carryEach has every carrier mint every outer token, and returns for each name of
// those one request a carrier.
func carryEach(t *testing.T, outer map[string]outerToken) map[string][]request {
	t.Helper()
	var jobs []job
	var names []string
	for name, o := range outer {
		for _, c := range carriers {
			names, jobs = append(names, name), append(jobs, c.carry(o.inner, o.claims))
		}
	}
	requests := map[string][]request{}
	for i, token := range mintEach(t, jobs) {
		requests[names[i]] = append(requests[names[i]], present(token))
	}
	return requests
}

// innerToken is a token that is carried, and what it grants by itself.
type innerToken struct {
	text    string
	forged  string // the same with another seal or signature
	reason  refusal
	granted admission
}

// innerTokens makes one token of each kind, of ana, who may publish on chat:a.
func innerTokens(t *testing.T, url string) map[string]innerToken {
	now := nowSeconds()
	const capability = `{"chat:a":["publish"]}`
	claims := object{"iat": now, "exp": now + 600, "x-ably-clientId": "ana", "x-ably-capability": capability}
	signed := mintGolangJWT(t, []job{
		{Alg: "HS256", Kid: keyChat, Secret: secretChat, Claims: claims},
		{Alg: "HS256", Kid: keyChat, Secret: issuerSecret, Claims: claims},
	})
	issued := issueWith(t, url, sandboxKey{KeyName: keyChat, KeyStr: apiKey(keyChat)}, object{"clientId": "ana", "capability": capability, "ttl": 600_000})
	last := byte('A')
	if issued.Token[len(issued.Token)-5] == last {
		last = 'B'
	}
	forged := issued.Token[:len(issued.Token)-5] + string(last) + issued.Token[len(issued.Token)-4:]
	grants := func(issued, expires int64) admission {
		return admission{KeyName: keyChat, ClientID: "ana", Capability: capability, Issued: issued, Expires: expires}
	}
	return map[string]innerToken{
		"JWT":          {signed[0], signed[1], refusal{40144, 401, "bad_signature"}, grants(unixMilli(now), unixMilli(now+600))},
		"opaque token": {issued.Token, forged, refusal{40145, 401, "ably_token_invalid"}, grants(issued.Issued, issued.Expires)},
	}
}

// TestTokensWithinTokensOfOtherLibraries shows that what strangers wrap is
// admitted with what the inner token grants, and with nothing of the wrapping.
func TestTokensWithinTokensOfOtherLibraries(t *testing.T) {
	server := startServer(t, baseConfig()+"store: 'memory:'\nlimits: {refusals_per_token: 0}\n")
	now := nowSeconds()
	until := func(exp int64) object { return object{"exp": exp} }
	for kind, inner := range innerTokens(t, server.public) {
		end := inner.granted.Expires / 1000 // rounded down, as issuers do
		nested := mintEach(t, []job{carriers[0].carry(inner.text, nil)})[0]
		outer := carryEach(t, map[string]outerToken{
			"wide":    {inner.text, object{"x-ably-clientId": "*", "x-ably-capability": `{"*":["*"]}`, "x-ably-foo": 1}},
			"earlier": {inner.text, until(now + 60)},
			"rounded": {inner.text, until(end + 4)},
			"later":   {inner.text, until(end + 600)},
			"over":    {inner.text, until(now - 1)},
			"forged":  {inner.forged, until(now + 60)},
			"twice":   {nested, nil},
		})
		for i, c := range carriers {
			t.Run(kind+" in "+c.name, func(t *testing.T) {
				plain, ends := outer["wide"][i], inner.granted
				for range 3 { // the inner one may come from the cache
					requireAdmitted(t, plain.send(t, server.public), inner.granted)
					requireAdmitted(t, outer["rounded"][i].send(t, server.public), inner.granted)
				}
				if c.hidesClaims() {
					requireAdmitted(t, outer["later"][i].send(t, server.public), ends)
					requireAdmitted(t, outer["over"][i].send(t, server.public), ends)
				} else {
					ends.Expires = unixMilli(now + 60)
					requireRefusedFor(t, server, outer["later"][i], refusal{40144, 401, "embedded_outer_later"})
					requireRefusedFor(t, server, outer["over"][i], refusal{40142, 401, "embedded_outer_expired"})
				}
				requireAdmitted(t, outer["earlier"][i].send(t, server.public), ends)
				requireRefusedFor(t, server, outer["forged"][i], inner.reason)
				requireRefusedFor(t, server, outer["twice"][i], refusal{40144, 401, "embedded_token"})

				require.Equal(t, 200, plain.with("channel", "chat:a", "op", "publish", "clientId", "ana").send(t, server.public).status)
				requireRefusedFor(t, server, plain.with("channel", "chat:a", "op", "subscribe"), refusal{40160, 401, "capability_denied"})
				requireRefusedFor(t, server, plain.with("channel", "chat:b", "op", "publish"), refusal{40160, 401, "capability_denied"})
				requireRefusedFor(t, server, plain.with("clientId", "bob"), refusal{40102, 401, "client_id_mismatch"})
			})
		}
	}
	server.stop(t)
}

// TestTokensWithinOurTokens shows that an Ably JWT carries another token nowhere
// but in its header, where it counts for nothing itself.
func TestTokensWithinOurTokens(t *testing.T) {
	server := startServer(t, baseConfig())
	now := nowSeconds()
	inner := mint(t, keyChat, object{"iat": now, "exp": now + 60})
	requireRefusedFor(t, server, present(mint(t, keyFull, object{"x-ably-token": inner})), refusal{40003, 400, "claim_invalid"})
	header := fmt.Sprintf(`{"alg":"HS256","kid":%q,"x-ably-token":%q}`, keyFull, inner)
	claims := fmt.Sprintf(`{"iat":%d,"exp":%d,"x-ably-clientId":"mallory"}`, now, now+60)
	requireAdmitted(t, present(sign(keyFull, header, claims)).send(t, server.public),
		admission{KeyName: keyChat, Capability: chatCapability, Issued: unixMilli(now), Expires: unixMilli(now + 60)})
	server.stop(t)
}

// TestTokensWithinTokensOfThePublishedPHPSample shows that an outer token may be
// spelt as the published sample spells its own, where the configuration says so.
func TestTokensWithinTokensOfThePublishedPHPSample(t *testing.T) {
	strict, documented := startServer(t, baseConfig()), startServer(t, documentedConfig())
	now := nowSeconds()
	inner := mint(t, keyChat, object{"iat": now, "exp": now + 60})
	encode := base64.StdEncoding.EncodeToString
	padded := func(head, tail string) string { // of a length that is padded
		for (len(head)+len(tail))%3 == 0 {
			head += " "
		}
		return encode([]byte(head + tail))
	}
	in := fmt.Sprintf(`"x-ably-token":%q`, inner)
	for place, token := range map[string]string{
		"header": padded(`{"alg":"RS256",`, in+`}`) + "." + padded(`{"sub":"~~~???>>>",`, fmt.Sprintf(`"exp":%d}`, now+30)) + "." + encode([]byte("signature")),
		"claims": padded(`{"alg":"RS256"`, `}`) + "." + padded(fmt.Sprintf(`{"sub":"~~~???>>>","exp":%d,`, now+30), in+`}`) + "." + encode([]byte("signature")),
		"JWE":    padded(`{"alg":"dir",`, in+`}`) + "..aXY.dGV4dA.dGFn",
	} {
		t.Run(place, func(t *testing.T) {
			want := admission{KeyName: keyChat, Capability: chatCapability, Issued: unixMilli(now), Expires: unixMilli(now + 30)}
			if place == "JWE" {
				want.Expires = unixMilli(now + 60)
			}
			requireAdmitted(t, present(token).send(t, documented.public), want)
			requireRefusedFor(t, strict, present(token), refusal{40144, 401, "base64_padding"})
		})
	}
	strict.stop(t)
	documented.stop(t)
}

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// revocationAnswer is what auth.revokeTokens returns (BAR2, TRS2, TRF2).
type revocationAnswer struct {
	SuccessCount, FailureCount int
	Results                    []revocationResult
}

type revocationResult struct {
	Target                  string
	IssuedBefore, AppliesAt int64
	Error                   *fault
}

func target(kind, value string) object { return object{"type": kind, "value": value} }

// revokeWith revokes with the key's own client, beside the one of the case.
func revokeWith(key sandboxKey, options object, targets ...object) ablyCall {
	return ablyCall{"do": "revoke", "key": key.KeyStr, "targets": targets, "options": options}
}

// revokeAs posts a revocation of key's tokens with the case's own credentials,
// which the SDK would not.
func revokeAs(key sandboxKey, headers, body object) ablyCall {
	return ablyCall{"do": "request", "method": "post", "path": "/keys/" + key.KeyName + "/revokeTokens", "body": body, "headers": headers}
}

// revokedOf is the answer of call i, with what holds for every one of them.
func (d ablyDid) revokedOf(t testing.TB, i int, targets ...string) (a revocationAnswer) {
	t.Helper()
	require.Greater(t, len(d.Outcomes), i)
	d.Outcomes[i].into(t, &a)
	var members struct{ Results []map[string]any }
	d.Outcomes[i].into(t, &members)
	require.Len(t, a.Results, len(targets))
	failures := 0
	for i, r := range a.Results {
		require.Equal(t, targets[i], r.Target, "in the order of the request")
		if r.Error != nil {
			failures++
			require.NotEmpty(t, r.Error.Message)
			require.NotContains(t, members.Results[i], "appliesAt")
			continue
		}
		require.NotContains(t, members.Results[i], "error", "a success has no such member")
		require.GreaterOrEqual(t, r.AppliesAt, d.Before)
	}
	require.Equal(t, [2]int{len(targets) - failures, failures}, [2]int{a.SuccessCount, a.FailureCount})
	return a
}

// presentation is one request with a token.
type presentation struct{ token, status, code int }

// presented is how the client's requests with tokens went, in order.
func (d ablyDid) presented() (all []presentation) {
	for _, e := range d.Exchanges {
		if e.Path == "/stats" {
			all = append(all, presentation{e.Token, e.Status, e.Code})
		}
	}
	return all
}

// requireRevoked requires that the client, which cannot renew its token, was let
// in twice, and not a third time once the token was revoked.
func requireRevoked(targets ...string) func(*testing.T, ablyDid) {
	return func(t *testing.T, did ablyDid) {
		require.Len(t, did.Outcomes, 4)
		did.requireStats(t, 0)
		did.requireStats(t, 1)
		for _, r := range did.revokedOf(t, 2, targets...).Results {
			require.Nil(t, r.Error)
			require.Equal(t, r.IssuedBefore, r.AppliesAt, "both are now")
		}
		require.NotNil(t, did.Outcomes[3].Error)
		require.Equal(t, 40171, did.Outcomes[3].Error.Code, "the SDK looks for a way to renew")
		require.Equal(t, []presentation{{0, 200, 0}, {0, 200, 0}, {0, 401, 40141}}, did.presented())
	}
}

// requireSpared requires that the client's token is good after calls as before.
func requireSpared(t *testing.T, did ablyDid) {
	t.Helper()
	did.requireStats(t, 0)
	did.requireStats(t, len(did.Outcomes)-1)
	for _, p := range did.presented() {
		require.Equal(t, presentation{0, 200, 0}, p)
	}
}

// TestAblyRevokesTokens revokes tokens that are in use, and therefore cached, with
// every target there is. A JWT's issue is told in seconds: those to be revoked were
// issued ten seconds ago.
func TestAblyRevokesTokens(t *testing.T) {
	dev := startDev(t)
	dev.process.admin = dev.Admin
	runAblyAnew(t, dev.Server, func(t *testing.T) []ablyCase {
		key := createApp(t, dev.Server, object{"revocableTokens": true})[0]
		issued := func(clientID string) ablyClient {
			params := object{}
			if clientID != "" {
				params["clientId"] = clientID
			}
			return ablyClient{Literal: object{"as": "tokenDetails", "key": key.KeyStr, "params": params}}
		}
		minted := func(age int64, claims object) ablyClient {
			claims["iat"], claims["exp"] = nowSeconds()-age, nowSeconds()+600
			return ablyClient{Options: object{"token": mintWith(t, key, claims)}}
		}
		used := func(name string, client ablyClient, check func(*testing.T, ablyDid), between ...ablyCall) ablyCase {
			return ablyCase{name: name, client: client, observe: true, calls: append(append([]ablyCall{stats, stats}, between...), stats), check: check}
		}
		revoke := func(kind, value string) ablyCall { return revokeWith(key, nil, target(kind, value)) }
		before := time.Now().UnixMilli() - 5000
		return []ablyCase{
			used("clientId of a token", issued("ana"), requireRevoked("clientId:ana"), revoke("clientId", "ana")),
			used("clientId with colons", issued("a:b:c"), requireRevoked("clientId:a:b:c"), revoke("clientId", "a:b:c")),
			used("clientId beyond ASCII", issued("josé/李 <&>"), requireRevoked("clientId:josé/李 <&>"), revoke("clientId", "josé/李 <&>")),
			used("clientId of a JWT", minted(10, object{"x-ably-clientId": "jwt"}), requireRevoked("clientId:jwt"), revoke("clientId", "jwt")),
			used("revocationKey of a JWT", minted(10, object{"x-ably-revocation-key": "g:1"}), requireRevoked("revocationKey:g:1"), revoke("revocationKey", "g:1")),
			used("channel of a JWT", minted(10, object{"x-ably-capability": `{"chat:*":["*"],"*":["stats"]}`}), requireRevoked("channel:chat:*"), revoke("channel", "chat:*")),
			used("one of several targets", issued("bob"), requireRevoked("clientId:nobody", "clientId:bob"), revokeWith(key, nil, target("clientId", "nobody"), target("clientId", "bob"))),

			used("other targets", minted(10, object{"x-ably-clientId": "eve", "x-ably-revocation-key": "e", "x-ably-capability": `{"e:*":["*"],"*":["stats"]}`}), requireSpared,
				revokeWith(key, nil, target("clientId", "e"), target("clientId", "Eve"), target("clientId", "*"), target("revocationKey", "eve"), target("channel", "e:1"), target("channel", "e"))),
			used("a token without clientId", issued(""), requireSpared, revoke("clientId", "*")),
			used("issued later", minted(-30, object{"x-ably-clientId": "ana"}), requireSpared, revoke("clientId", "ana")),

			used("issuedBefore", minted(10, object{"x-ably-clientId": "old"}), func(t *testing.T, did ablyDid) {
				r := did.revokedOf(t, 2, "clientId:old").Results[0]
				require.Equal(t, before, r.IssuedBefore, "echoed")
				require.Equal(t, []presentation{{0, 200, 0}, {0, 200, 0}, {0, 401, 40141}}, did.presented())
			}, revokeWith(key, object{"issuedBefore": before}, target("clientId", "old"))),
			used("issued after issuedBefore", issued("new"), func(t *testing.T, did ablyDid) {
				requireSpared(t, did)
				require.Equal(t, before, did.revokedOf(t, 2, "clientId:new").Results[0].IssuedBefore)
			}, revokeWith(key, object{"issuedBefore": before}, target("clientId", "new"))),
			used("with a margin", issued("moving"), func(t *testing.T, did ablyDid) {
				did.requireStats(t, 4)
				var now int64
				did.Outcomes[2].into(t, &now)
				r := did.revokedOf(t, 3, "clientId:moving").Results[0]
				require.GreaterOrEqual(t, r.IssuedBefore, now)
				require.Greater(t, r.AppliesAt, now+30_000)
				require.LessOrEqual(t, r.AppliesAt, r.IssuedBefore+31_000)
			}, ablyCall{"do": "time"}, revokeWith(key, object{"allowReauthMargin": true}, target("clientId", "moving"))),
			used("no margin after one", issued("leaving"), func(t *testing.T, did ablyDid) {
				did.requireStats(t, 3)
				require.Equal(t, []presentation{{0, 200, 0}, {0, 200, 0}, {0, 200, 0}, {0, 401, 40141}}, did.presented())
			}, revokeWith(key, object{"allowReauthMargin": true}, target("clientId", "leaving")), stats, revoke("clientId", "leaving")),

			// The new token is of the same clientId.
			{name: "a client that fetches another token", observe: true,
				client: ablyClient{Callback: object{"returns": "tokenDetails", "key": key.KeyStr, "params": object{"clientId": "cal"}}},
				calls:  []ablyCall{stats, stats, revoke("clientId", "cal"), {"do": "authorize"}, stats},
				check: func(t *testing.T, did ablyDid) {
					require.GreaterOrEqual(t, did.tokenOf(t, 3).Issued, did.revokedOf(t, 2, "clientId:cal").Results[0].IssuedBefore)
					did.requireStats(t, 4)
					require.Equal(t, []presentation{{0, 200, 0}, {0, 200, 0}, {1, 200, 0}}, did.presented())
				}},
			{name: "success and failure", client: keyClient(key.KeyStr), calls: []ablyCall{
				{"do": "revoke", "targets": []object{target("clientId", "x"), target("invalidType", "abc"), target("revocationKey", "y"), target("", "z"), target("ClientId", "x")}},
			}, check: func(t *testing.T, did ablyDid) {
				a := did.revokedOf(t, 0, "clientId:x", "invalidType:abc", "revocationKey:y", ":z", "ClientId:x")
				for i, failed := range []bool{false, true, false, true, true} {
					require.Equal(t, failed, a.Results[i].Error != nil, a.Results[i].Target)
					if failed {
						require.Equal(t, [2]int{40000, 400}, [2]int{a.Results[i].Error.Code, a.Results[i].Error.StatusCode})
					}
				}
			}},
		}
	})
	require.NotZero(t, metrics(t, dev.process)[`portcullis_cache_lookups_total{result="hit"}`], "the cache had no part in it")
	dev.stop(t)
}

// TestAblyRevocationsThatAreRefused takes revocations to their limits.
func TestAblyRevocationsThatAreRefused(t *testing.T) {
	dev := startDev(t)
	runAblyAnew(t, dev.Server, func(t *testing.T) []ablyCase {
		keys := createApp(t, dev.Server, object{"revocableTokens": true}, object{}, object{"revocableTokens": true})
		key, plain, other := keys[0], keys[1], keys[2]
		some := []object{target("clientId", "ana")}
		revoke := func(options object, targets []object) ablyCall {
			return ablyCall{"do": "revoke", "targets": targets, "options": options}
		}
		one := func(name string, k sandboxKey, options object, targets []object, check func(*testing.T, ablyDid)) ablyCase {
			return ablyCase{name: name, client: keyClient(k.KeyStr), calls: []ablyCall{revoke(options, targets)}, check: check}
		}
		raw := func(name string, client ablyClient, call ablyCall, code, status int) ablyCase {
			return ablyCase{name: name, client: client, calls: []ablyCall{call}, check: func(t *testing.T, did ablyDid) {
				a := did.answerOf(t, 0)
				require.Equal(t, []any{code, status, false}, []any{a.ErrorCode, a.StatusCode, a.Success}, a.ErrorMessage)
				require.NotEmpty(t, a.ErrorMessage)
			}}
		}
		body := object{"targets": []string{"clientId:ana"}}
		token := ablyClient{Literal: object{"as": "token", "key": key.KeyStr, "params": object{"clientId": "ana"}}}
		var many []object
		var names []string
		for i := range 101 {
			many = append(many, target("clientId", fmt.Sprint(i)))
			names = append(names, fmt.Sprintf("clientId:%d", i))
		}
		now, version2 := time.Now().UnixMilli(), object{"X-Ably-Version": "2"}
		spaced := (now-1000)&^0xff | ' '
		return []ablyCase{
			one("100 targets", key, nil, many[:100], func(t *testing.T, did ablyDid) {
				require.Equal(t, 100, did.revokedOf(t, 0, names[:100]...).SuccessCount)
			}),
			one("101 targets", key, nil, many, threw(40001, 400, "")),
			one("no targets", key, nil, []object{}, threw(40001, 400, "")),
			one("a key without revocable tokens", plain, nil, some, threw(40163, 401, "")),
			one("issuedBefore to come", key, object{"issuedBefore": now + 600_000}, some, threw(40003, 400, "issuedBefore")),
			one("issuedBefore over an hour ago", key, object{"issuedBefore": now - hour - 1}, some, threw(40003, 400, "issuedBefore")),
			one("a wrong secret", sandboxKey{KeyStr: key.KeyName + ":" + other.KeySecret}, nil, some, threw(40101, 401, "")),
			raw("another key", keyClient(other.KeyStr), revokeAs(key, nil, body), 40133, 401),
			raw("another key, without revocable tokens", keyClient(plain.KeyStr), revokeAs(key, nil, body), 40133, 401),
			raw("a token", token, revokeAs(key, nil, body), 40162, 401),
			raw("a misspelt option", keyClient(key.KeyStr), revokeAs(key, nil, object{"targets": []string{"clientId:ana"}, "issuedbefore": now}), 40001, 400),
			raw("a client of version 2, with a failure", keyClient(key.KeyStr), revokeAs(key, version2, object{"targets": []string{"clientId:x", "x:y"}}), 40020, 400),
			{name: "a client of version 2", client: keyClient(key.KeyStr), calls: []ablyCall{revokeAs(key, version2, object{"targets": []string{"clientId:x", "clientId:y"}})},
				check: func(t *testing.T, did ablyDid) {
					a := did.answerOf(t, 0)
					require.Equal(t, 201, a.StatusCode)
					require.Len(t, a.Items, 2, "the bare list")
					var r revocationResult
					require.NoError(t, json.Unmarshal(a.Items[1], &r))
					require.Equal(t, "clientId:y", r.Target)
				}},
			// Whatever comes last in an answer: msgpack ends with its last byte, not with text.
			{name: "a time whose last byte is white space", client: keyClient(key.KeyStr),
				calls: slices.Repeat([]ablyCall{revokeAs(key, version2, object{"targets": []string{"clientId:w"}, "issuedBefore": spaced})}, 40),
				check: func(t *testing.T, did ablyDid) {
					for i := range did.Outcomes {
						var r revocationResult
						require.NoError(t, json.Unmarshal(did.answerOf(t, i).Items[0], &r))
						require.Equal(t, spaced, r.IssuedBefore)
					}
				}},
			{name: "a token, by the SDK's own check", client: token, calls: []ablyCall{revoke(nil, some)}, check: func(t *testing.T, did ablyDid) {
				require.NotNil(t, did.Outcomes[0].Error)
				require.Equal(t, 40162, did.Outcomes[0].Error.Code)
			}},
			// None of the above has revoked anything of this clientId.
			{name: "nothing was revoked", client: ablyClient{Options: object{"token": mintWith(t, key, object{"iat": nowSeconds() - 10, "exp": nowSeconds() + 600, "x-ably-clientId": "ana"})}},
				calls: []ablyCall{stats}, check: func(t *testing.T, did ablyDid) { did.requireStats(t, 0) }},
		}
	})
	dev.stop(t)
}

// TestAblyRevokesByChannelOnlyWhereAllowed shows that by default a target of type
// channel fails, beside one that does not.
func TestAblyRevokesByChannelOnlyWhereAllowed(t *testing.T) {
	server := startServer(t, baseConfig()+"store: 'memory:'\n")
	key := sandboxKey{KeyName: keyRevocab, KeyStr: apiKey(keyRevocab)}
	token := mint(t, keyRevocab, object{"iat": nowSeconds() - 10, "exp": nowSeconds() + 600, "x-ably-capability": `{"*":["stats"],"c":["publish"]}`})
	runAbly(t, server.public, []ablyCase{{
		name: "channel", client: ablyClient{Options: object{"token": token}},
		calls: []ablyCall{stats, revokeWith(key, nil, target("channel", "c"), target("clientId", "x")), stats},
		check: func(t *testing.T, did ablyDid) {
			a := did.revokedOf(t, 1, "channel:c", "clientId:x")
			require.NotNil(t, a.Results[0].Error)
			require.Equal(t, [2]int{40121, 401}, [2]int{a.Results[0].Error.Code, a.Results[0].Error.StatusCode})
			require.Nil(t, a.Results[1].Error)
			requireSpared(t, did)
		},
	}})
	server.stop(t)
}

// TestRevocationsAreLimited shows that an app is stopped when it has revoked as
// often as it may in a minute. The minute may turn once meanwhile.
func TestRevocationsAreLimited(t *testing.T) {
	server := startServer(t, baseConfig()+"store: 'memory:'\nlimits: {revocations_per_minute: 2}\n")
	ask := presentKey(apiKey(keyRevocab)).withHeader("Content-Type", typeJSON)
	ask.method, ask.path, ask.body = "POST", "/keys/"+keyRevocab+"/revokeTokens", `{"targets":["clientId:x"]}`
	began, kept := time.Now(), 0
	for range 10 {
		if a := ask.send(t, server.public); a.status == 201 {
			kept++
		} else {
			requireRefused(t, a, refusal{code: 42910, status: 429})
		}
	}
	require.Less(t, time.Since(began), time.Minute)
	require.GreaterOrEqual(t, kept, 2)
	require.LessOrEqual(t, kept, 4)
	server.stop(t)
}

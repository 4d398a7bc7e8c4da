package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// stats is the SDK's authenticated ping.
var stats = ablyCall{"do": "stats"}

// requireStats requires that the SDK was let in, on its call i.
func (d ablyDid) requireStats(t testing.TB, i int) {
	t.Helper()
	require.Greater(t, len(d.Outcomes), i)
	var items []any
	d.Outcomes[i].into(t, &items)
	require.Empty(t, items, "an empty list, and not nothing")
}

// TestAblyAuthenticates shows every way by which the SDK comes to a token, but
// authUrl, which the example servers test.
func TestAblyAuthenticates(t *testing.T) {
	dev := startDev(t)
	key := createApp(t, dev.Server, object{})[0]
	now := nowSeconds()
	jwt := mintWith(t, key, object{"iat": now, "exp": now + 60, "x-ably-clientId": "ana"})
	ana := object{"clientId": "ana"}
	authorize := ablyCall{"do": "authorize"}

	letIn := func(check func(*testing.T, ablyDid)) func(*testing.T, ablyDid) {
		return func(t *testing.T, did ablyDid) {
			check(t, did)
			did.requireStats(t, 1)
		}
	}
	var cases []ablyCase
	for returns, check := range map[string]func(*testing.T, ablyDid){
		"tokenRequest": func(t *testing.T, did ablyDid) { require.Equal(t, "ana", did.tokenOf(t, 0).ClientID) },
		"tokenDetails": func(t *testing.T, did ablyDid) { require.Equal(t, "ana", did.tokenOf(t, 0).ClientID) },
		"token":        func(t *testing.T, did ablyDid) { requireBareToken(t, did.Outcomes[0], key) },
		"text": func(t *testing.T, did ablyDid) {
			var details tokenDetails
			did.Outcomes[0].into(t, &details)
			require.Equal(t, tokenDetails{Token: jwt, Method: "token"}, details)
		},
	} {
		cases = append(cases, ablyCase{
			name:   "authCallback returns " + returns,
			client: ablyClient{Callback: object{"returns": returns, "key": key.KeyStr, "params": ana, "text": textOf(returns, jwt)}},
			calls:  []ablyCall{authorize, stats},
			check: letIn(func(t *testing.T, did ablyDid) {
				require.Equal(t, 1, did.Callbacks)
				check(t, did)
			}),
		})
	}
	expired := object{"ttl": 1}
	cases = append(cases,
		ablyCase{name: "Basic", client: keyClient(key.KeyStr), calls: []ablyCall{stats}, check: func(t *testing.T, did ablyDid) { did.requireStats(t, 0) }},
		ablyCase{name: "useTokenAuth", client: ablyClient{Options: object{"key": key.KeyStr, "useTokenAuth": true, "clientId": "ana"}},
			calls: []ablyCall{authorize, stats}, check: letIn(func(t *testing.T, did ablyDid) {
				details := did.tokenOf(t, 0)
				require.Equal(t, "ana", details.ClientID)
				require.Equal(t, "token", details.Method)
			})},
		ablyCase{name: "authorize turns Basic into token authentication", client: keyClient(key.KeyStr), observe: true,
			calls: []ablyCall{stats, authorize, stats}, check: func(t *testing.T, did ablyDid) {
				did.requireStats(t, 0)
				require.Equal(t, key.KeyName, did.tokenOf(t, 1).KeyName)
				did.requireStats(t, 2)
				require.Len(t, did.Exchanges, 3)
				require.NotEqual(t, did.Exchanges[0].Token, did.Exchanges[2].Token)
			}},
		ablyCase{name: "default token parameters", client: ablyClient{Options: object{
			"key": key.KeyStr, "useTokenAuth": true, "defaultTokenParams": object{"clientId": "ana", "ttl": 5000, "capability": object{"*": []string{"stats"}}},
		}}, calls: []ablyCall{authorize, stats}, check: letIn(func(t *testing.T, did ablyDid) {
			details := did.tokenOf(t, 0)
			require.Equal(t, `{"*":["stats"]}`, details.Capability)
			require.EqualValues(t, 5000, details.Expires-details.Issued)
		})},
	)
	for _, as := range []string{"token", "tokenDetails"} {
		cases = append(cases,
			ablyCase{name: "literal " + as, client: ablyClient{Literal: object{"as": as, "key": key.KeyStr, "params": ana}},
				calls: []ablyCall{stats}, check: func(t *testing.T, did ablyDid) { did.requireStats(t, 0) }},
			// The server's 40142 makes the SDK look for a way to renew.
			ablyCase{name: "literal " + as + " that has expired", client: ablyClient{Literal: object{"as": as, "key": key.KeyStr, "params": expired, "expired": true}},
				calls: []ablyCall{stats}, observe: true, check: func(t *testing.T, did ablyDid) {
					require.NotNil(t, did.Outcomes[0].Error)
					require.Equal(t, 40171, did.Outcomes[0].Error.Code)
					require.Equal(t, 403, did.Outcomes[0].Error.StatusCode)
					require.Contains(t, did.Outcomes[0].Error.Message, "no authUrl, authCallback, or key")
					last := did.Exchanges[len(did.Exchanges)-1]
					require.Equal(t, []any{"/stats", 401, 40142}, []any{last.Path, last.Status, last.Code})
				}})
	}
	runAbly(t, dev.Server, cases)
	dev.stop(t)
}

func textOf(returns, text string) string {
	if returns == "text" {
		return text
	}
	return ""
}

// requireBareToken requires a token of which the SDK knows nothing but its text.
func requireBareToken(t testing.TB, o ablyOutcome, key sandboxKey) {
	t.Helper()
	var details tokenDetails
	o.into(t, &details)
	require.Regexp(t, `^[A-Za-z0-9]+\.[A-Za-z0-9_-]+$`, details.Token)
	require.Equal(t, tokenDetails{Token: details.Token, Method: "token"}, details)
	require.Contains(t, key.KeyName, details.Token[:len("123456.")])
}

// TestAblyRenewsTokens lets tokens run out in the client's hands.
//
// A client that has asked for the time sees by itself that its token has expired
// (RSA4b1). One that has not presents it, is told 40142, and fetches a new one;
// over REST ably-js 2.28 then repeats the request with the old token's header, and
// would without end: 42910, which is no token error, stops it.
func TestAblyRenewsTokens(t *testing.T) {
	dev := startDev(t)
	key := createApp(t, dev.Server, object{})[0]
	shortlived := ablyClient{Callback: object{"returns": "tokenDetails", "key": key.KeyStr, "params": object{"ttl": 300}}}
	byKey := ablyClient{Options: object{"key": key.KeyStr, "useTokenAuth": true, "defaultTokenParams": object{"ttl": 300}}}
	authorize, expire, askTime := ablyCall{"do": "authorize"}, ablyCall{"do": "awaitExpiry"}, ablyCall{"do": "time"}

	const refusals = 10 // of one token in ten seconds, before the client is told to stop
	stopped := func(tokens int) func(*testing.T, ablyDid) {
		return func(t *testing.T, did ablyDid) {
			require.Len(t, did.Outcomes, 3)
			did.Outcomes[2].requireThrew(t, 42910, 429, "rate limit exceeded")
			var codes []int
			for _, e := range did.Exchanges {
				if e.Path != "/stats" {
					continue
				}
				require.Equal(t, did.Exchanges[len(did.Exchanges)-1].Token, e.Token, "the SDK repeats the old token")
				codes = append(codes, e.Code)
			}
			require.Len(t, codes, refusals+1, "the requests that it took to stop the client")
			for _, code := range codes[:refusals] {
				require.Equal(t, 40142, code)
			}
			require.Equal(t, 42910, codes[refusals])
			require.Equal(t, tokens, did.Callbacks, "the tokens that the client fetched, and did not use")
		}
	}
	runAbly(t, dev.Server, []ablyCase{
		{name: "authCallback, clock known", client: shortlived, observe: true, calls: []ablyCall{askTime, authorize, expire, stats},
			check: func(t *testing.T, did ablyDid) {
				did.requireStats(t, 3)
				require.Equal(t, 2, did.Callbacks)
				require.Len(t, did.Exchanges, 2, "the time, and one request with the new token")
			}},
		{name: "key, clock known", client: byKey, observe: true, calls: []ablyCall{askTime, authorize, stats, expire, stats},
			check: func(t *testing.T, did ablyDid) {
				did.requireStats(t, 2)
				did.requireStats(t, 4)
				var paths []string
				for _, e := range did.Exchanges {
					paths = append(paths, e.Path)
					require.Zero(t, e.Code, "nothing is refused")
				}
				ask := "/keys/" + key.KeyName + "/requestToken"
				require.Equal(t, []string{"/time", ask, "/stats", ask, "/stats"}, paths)
				require.NotEqual(t, did.Exchanges[2].Token, did.Exchanges[4].Token)
			}},
		{name: "authCallback, clock not known", client: shortlived, observe: true, calls: []ablyCall{authorize, expire, stats}, check: stopped(1 + refusals)},
		{name: "key, clock not known", client: byKey, observe: true, calls: []ablyCall{authorize, expire, stats}, check: stopped(0)},
	})
	dev.stop(t)
}

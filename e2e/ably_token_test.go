package e2e

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	hour = 3_600_000 // milliseconds
	day  = 24 * hour
)

// TestAblyRequestsTokens takes the SDK's signed TokenRequests through every limit
// that a token has.
func TestAblyRequestsTokens(t *testing.T) {
	dev := startDev(t)
	keys := createApp(t, dev.Server, object{}, object{"revocableTokens": true})
	full, revocable := keys[0], keys[1]

	lives := func(ttl int64) func(*testing.T, ablyDid) {
		return func(t *testing.T, did ablyDid) {
			details := did.tokenOf(t, 0)
			require.Equal(t, ttl, details.Expires-details.Issued)
		}
	}
	refusedTTL := threw(40003, 400, "ttl")
	one := func(name string, k sandboxKey, params object, check func(*testing.T, ablyDid)) ablyCase {
		return ablyCase{name: name, client: keyClient(k.KeyStr), calls: []ablyCall{askToken(params)}, check: check}
	}
	withID := func(id string) func(*testing.T, ablyDid) {
		return func(t *testing.T, did ablyDid) { require.Equal(t, id, did.tokenOf(t, 0).ClientID) }
	}
	runAbly(t, dev.Server, []ablyCase{
		{name: "twice", client: keyClient(full.KeyStr), calls: []ablyCall{{"do": "time"}, askToken(nil), askToken(nil)}, check: func(t *testing.T, did ablyDid) {
			var before int64
			did.Outcomes[0].into(t, &before)
			first, second := did.tokenOf(t, 1), did.tokenOf(t, 2)
			require.NotEqual(t, first.Token, second.Token)
			require.GreaterOrEqual(t, first.Issued, before, "issued is not before a time that was fetched earlier")
			require.EqualValues(t, hour, first.Expires-first.Issued, "RSA5")
			require.Equal(t, full.KeyName, first.KeyName)
			require.Equal(t, `{"*":["*"]}`, first.Capability)
			require.Empty(t, first.ClientID, "anonymous (TD6)")
		}},
		one("clientId", full, object{"clientId": "ana"}, withID("ana")),
		one("clientId beyond ASCII", full, object{"clientId": "josé/李 <&>"}, withID("josé/李 <&>")),
		one("wildcard clientId", full, object{"clientId": "*"}, withID("*")),
		one("clientId with a wildcard", full, object{"clientId": "a*"}, threw(40012, 400, "clientId")),
		one("clientId with a line feed", full, object{"clientId": "ana\n"}, threw(40012, 400, "clientId")),
		one("clientId that is a number", full, object{"clientId": 7}, threw(40012, 400, "clientId")),
		one("1 ms", full, object{"ttl": 1}, lives(1)),
		one("123 ms", full, object{"ttl": 123}, lives(123)),
		one("0 ms", full, object{"ttl": 0}, lives(hour)),
		one("24 h", full, object{"ttl": day}, lives(day)),
		one("24 h as text", full, object{"ttl": "86400000"}, lives(day)),
		one("24 h + 1 ms", full, object{"ttl": day + 1}, refusedTTL),
		one("a year", full, object{"ttl": 365 * day}, refusedTTL),
		one("-1 ms", full, object{"ttl": -1}, refusedTTL),
		one("no number", full, object{"ttl": "notanumber"}, refusedTTL),
		one("half a millisecond", full, object{"ttl": 0.5}, refusedTTL),
		one("revocable", revocable, nil, lives(hour)),
		one("revocable, 1 h", revocable, object{"ttl": hour}, lives(hour)),
		one("revocable, 1 h + 1 ms", revocable, object{"ttl": hour + 1}, refusedTTL),

		// The same in the client's own format, which requestToken does not use.
		{name: "redeemed", client: keyClient(full.KeyStr), calls: []ablyCall{
			{"do": "redeem", "params": object{"clientId": "ana", "ttl": 123, "capability": object{"b": []string{"publish"}, "a": []string{"subscribe", "history"}}}},
			{"do": "redeem", "params": object{"ttl": day + 1}},
			{"do": "redeem", "params": object{"ttl": "86400000"}},
		}, check: func(t *testing.T, did ablyDid) {
			a := did.answerOf(t, 0)
			require.Equal(t, 201, a.StatusCode)
			require.Len(t, a.Items, 1)
			details := ablyDid{Before: did.Before, Outcomes: []ablyOutcome{{Result: a.Items[0]}}}.tokenOf(t, 0)
			require.EqualValues(t, 123, details.Expires-details.Issued)
			require.Equal(t, "ana", details.ClientID)
			require.Equal(t, `{"a":["history","subscribe"],"b":["publish"]}`, details.Capability)
			a = did.answerOf(t, 1)
			require.Equal(t, 400, a.StatusCode)
			require.Equal(t, 40003, a.ErrorCode)
			require.Equal(t, 201, did.answerOf(t, 2).StatusCode)
		}},
		{name: "unsigned, with the key itself", client: keyClient(full.KeyStr), calls: []ablyCall{
			unsigned(full, object{"clientId": "ana", "ttl": 5}), unsigned(full, object{"timestamp": 1}), unsigned(revocable, nil), unsigned(full, object{"timestamp": nil}),
		}, check: func(t *testing.T, did ablyDid) {
			require.Equal(t, 201, did.answerOf(t, 0).StatusCode)
			for i, want := range []refusal{{code: 40104, status: 401}, {code: 40101, status: 401}, {code: 40001, status: 400}} {
				a := did.answerOf(t, i+1)
				require.Equal(t, want, refusal{code: a.ErrorCode, status: a.StatusCode})
			}
		}},
		{name: "unsigned, with a token", client: ablyClient{Literal: object{"as": "token", "key": full.KeyStr}}, calls: []ablyCall{unsigned(full, nil)},
			check: func(t *testing.T, did ablyDid) {
				a := did.answerOf(t, 0)
				require.Equal(t, []int{401, 40162}, []int{a.StatusCode, a.ErrorCode})
			}},
	})
	dev.stop(t)
}

// unsigned posts a TokenRequest without a mac.
func unsigned(k sandboxKey, fields object) ablyCall {
	body := object{"keyName": k.KeyName, "timestamp": time.Now().UnixMilli()}
	maps.Copy(body, fields)
	return ablyCall{"do": "request", "method": "post", "path": "/keys/" + k.KeyName + "/requestToken", "body": body}
}

// TestAblyGrantsTheIntersection asks for capabilities with keys that have less.
// The keys K0 to K5 are those of Ably's shared test fixtures.
func TestAblyGrantsTheIntersection(t *testing.T) {
	dev := startDev(t)
	const (
		k1 = `{"cansubscribe:*":["subscribe"],"canpublish:*":["publish"],"canpublish:andpresence":["presence","publish"],"pushenabled:*":["publish","subscribe","push-subscribe"],"pushenabled:admin:*":["publish","subscribe","push-admin"]}`
		// The same with resources and operations sorted.
		k1Canonical = `{"canpublish:*":["publish"],"canpublish:andpresence":["presence","publish"],"cansubscribe:*":["subscribe"],"pushenabled:*":["publish","push-subscribe","subscribe"],"pushenabled:admin:*":["publish","push-admin","subscribe"]}`
	)
	keys := createApp(t, dev.Server,
		object{},
		object{"capability": k1},
		object{"capability": `{"channel0":["publish"],"channel1":["publish"],"channel2":["publish","subscribe"],"channel3":["subscribe"],"channel4":["presence","publish","subscribe"],"channel5":["presence"],"channel6":["*"]}`},
		object{"capability": `{"*":["subscribe"]}`},
		object{"revocableTokens": true},
		object{"capability": `{"[*]*":["*"]}`},
		object{"capability": `{"your-namespace:*":["publish","subscribe","presence"],"notifications":["subscribe","history"],"alerts":["subscribe"]}`},
		object{"capability": `{"your-namespace":["*"]}`},
		object{"capability": `{"[meta]*":["*"]}`},
	)
	require.Equal(t, `{"*":["*"]}`, keys[0].Capability)
	require.Equal(t, k1Canonical, keys[1].Capability)
	require.True(t, keys[4].RevocableTokens)

	grants := func(capability string) func(*testing.T, ablyDid) {
		return func(t *testing.T, did ablyDid) { require.Equal(t, capability, did.tokenOf(t, 0).Capability) }
	}
	denied, invalid := threw(40160, 401, "operation not permitted with provided capability"), threw(40003, 400, "capability")
	var cases []ablyCase
	for _, row := range []struct {
		name      string
		key       int
		requested string
		check     func(*testing.T, ablyDid)
	}{
		{"01 everything by default", 0, "", grants(`{"*":["*"]}`)},
		{"02 one channel of all", 0, `{"onlythischannel":["subscribe"]}`, grants(`{"onlythischannel":["subscribe"]}`)},
		{"03 all of a narrow key by default", 1, "", grants(k1Canonical)},
		{"04 exactly the key's", 1, k1, grants(k1Canonical)},
		{"05 no operation in common", 1, `{"canpublish:test":["subscribe"]}`, denied},
		{"06 no resource in common", 2, `{"channelx":["publish"]}`, denied},
		{"07 some operations", 2, `{"channel2":["presence","subscribe"]}`, grants(`{"channel2":["subscribe"]}`)},
		{"08 some resources", 2, `{"channel2":["presence","subscribe"],"channelx":["presence","subscribe"]}`, grants(`{"channel2":["subscribe"]}`)},
		{"09 all operations asked for", 2, `{"channel2":["*"]}`, grants(`{"channel2":["publish","subscribe"]}`)},
		{"10 all operations at hand", 2, `{"channel6":["publish","subscribe"]}`, grants(`{"channel6":["publish","subscribe"]}`)},
		{"11 a channel of any", 3, `{"cansubscribe":["subscribe"]}`, grants(`{"cansubscribe":["subscribe"]}`)},
		{"12 a channel of a namespace", 1, `{"canpublish:check":["publish"]}`, grants(`{"canpublish:check":["publish"]}`)},
		{"13 a namespace of any", 3, `{"cansubscribe:*":["subscribe"]}`, grants(`{"cansubscribe:*":["subscribe"]}`)},
		{"14 unknown operation", 0, `{"channel0":["publish_"]}`, invalid},
		{"15 wildcard among operations", 0, `{"channel0":["*","publish"]}`, invalid},
		{"16 no operations", 0, `{"channel0":[]}`, invalid},
		{"17 the documented example", 6, `{"your-namespace:user-123":["subscribe"],"notifications":["*"],"private":["publish","subscribe"]}`,
			grants(`{"notifications":["history","subscribe"],"your-namespace:user-123":["subscribe"]}`)},
		{"18 another namespace", 7, `{"other-namespace":["*"]}`, denied},
		{"20 everything asked of a narrow key", 1, `{"*":["*"]}`, grants(k1Canonical)},
		{"21 a namespace of all types", 5, `{"foo:*":["*"]}`, grants(`{"foo:*":["*"]}`)},
		{"22 every channel of all types", 5, `{"*":["*"]}`, grants(`{"*":["*"]}`)},
		{"23 queues of a key for metachannels", 8, `{"[queue]*":["*"]}`, denied},
		{"24 a metachannel of a key for channels", 0, `{"[meta]log":["subscribe"]}`, denied},
		{"25 everything of a key with revocable tokens", 4, "", grants(`{"*":["*"]}`)},
		{"26 all of a key for all types by default", 5, "", grants(`{"[*]*":["*"]}`)},
		{"27 nothing", 0, `{}`, denied},
	} {
		params := object{}
		if row.requested != "" {
			params["capability"] = row.requested
		}
		cases = append(cases, ablyCase{name: row.name, client: keyClient(keys[row.key].KeyStr), calls: []ablyCall{askToken(params)}, check: row.check})
	}
	// Row 19: a JWT that claims more than its key has.
	now := nowSeconds()
	cases = append(cases, ablyCase{
		name:   "19 a JWT that claims everything of a key that may subscribe",
		client: ablyClient{Options: object{"token": mintWith(t, keys[3], object{"iat": now, "exp": now + 60, "x-ably-capability": `{"*":["*"]}`})}},
		calls:  []ablyCall{{"do": "publish", "channel": "a", "message": object{"name": "n", "data": "d"}}},
		check:  denied,
	})
	runAbly(t, dev.Server, cases)
	dev.stop(t)
}

// TestAblyTokenRequestsAreTakenOnce shows what makes a TokenRequest worthless: to
// have been redeemed, to have been changed, to be of another time.
func TestAblyTokenRequestsAreTakenOnce(t *testing.T) {
	dev := startDev(t)
	key := createApp(t, dev.Server, object{})[0]
	callback := func(returns string, calls int) (ablyClient, []ablyCall) {
		return ablyClient{Callback: object{"returns": returns, "key": key.KeyStr, "params": object{"clientId": "ana"}}},
			make([]ablyCall, calls)
	}
	made := func(name, returns string, calls int, check func(*testing.T, ablyDid)) ablyCase {
		client, list := callback(returns, calls)
		for i := range list {
			list[i] = askToken(nil)
		}
		return ablyCase{name: name, client: client, calls: list, check: check}
	}
	queryTime := ablyCall{"do": "requestToken", "authOptions": object{"key": key.KeyStr, "queryTime": true}}
	tenMinutes := 10 * 60 * 1000
	cases := []ablyCase{
		made("redeemed twice", "sameTokenRequest", 3, func(t *testing.T, did ablyDid) {
			require.Equal(t, "ana", did.tokenOf(t, 0).ClientID)
			require.Len(t, did.Outcomes, 3)
			did.Outcomes[1].requireThrew(t, 40105, 401, "Nonce value replayed")
			did.Outcomes[2].requireThrew(t, 40105, 401, "Nonce value replayed")
		}),
		made("forged mac", "forgedTokenRequest", 1, threw(40101, 401, "")),
		made("changed clientId", "tamperedTokenRequest", 1, threw(40101, 401, "")),
	}
	for name, offset := range map[string]int{"late": -tenMinutes, "early": tenMinutes} {
		cases = append(cases, ablyCase{
			name: "signed " + name, client: keyClient(key.KeyStr), clockOffset: offset,
			calls: []ablyCall{askToken(nil), queryTime, askToken(nil)},
			check: func(t *testing.T, did ablyDid) {
				did.Outcomes[0].requireThrew(t, 40104, 401, "Timestamp not current")
				require.Equal(t, key.KeyName, did.tokenOf(t, 1).KeyName, "queryTime asks the server")
				require.Equal(t, key.KeyName, did.tokenOf(t, 2).KeyName, "and corrects the client's clock from then on")
			},
		})
	}
	runAbly(t, dev.Server, cases)
	dev.stop(t)
}

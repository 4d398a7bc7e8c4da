package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// innerMaker makes tokens of one kind that are to be carried.
type innerMaker struct {
	kind string
	make func(clientID, capability string) (token string)
	dead func(clientID string) (token string) // one that has expired
}

func innerMakers(t *testing.T, url string, key sandboxKey) []innerMaker {
	// Issued ten seconds ago, so that a revocation of now covers it.
	minted := func(claims object) string {
		claims["iat"] = nowSeconds() - 10
		return mintWith(t, key, claims)
	}
	return []innerMaker{
		{"JWT", func(clientID, capability string) string {
			return minted(object{"exp": nowSeconds() + 600, "x-ably-clientId": clientID, "x-ably-capability": capability})
		}, func(clientID string) string {
			return minted(object{"exp": nowSeconds() - 1, "x-ably-clientId": clientID})
		}},
		{"opaque token", func(clientID, capability string) string {
			return issueWith(t, url, key, object{"clientId": clientID, "capability": capability, "ttl": 600_000}).Token
		}, func(clientID string) string {
			issued := issueWith(t, url, key, object{"clientId": clientID, "ttl": 1})
			awaitPast(t, url, issued.Expires)
			return issued.Token
		}},
	}
}

// TestAblyPresentsTokensWithinTokens hands the SDK tokens of strangers that carry
// one of ours. The SDK looks into none of them.
func TestAblyPresentsTokensWithinTokens(t *testing.T) {
	dev := startDev(t)
	dev.process.admin = dev.Admin
	runAblyAnew(t, dev.Server, func(t *testing.T) (cases []ablyCase) {
		key := createApp(t, dev.Server, object{"revocableTokens": true})[0]
		for _, inner := range innerMakers(t, dev.Server, key) {
			cases = append(cases, embeddedCases(t, dev.Server, key, inner)...)
		}
		return cases
	})
	require.NotZero(t, metrics(t, dev.process)[`portcullis_cache_lookups_total{result="hit"}`], "the cache had no part in it")
	dev.stop(t)
}

func embeddedCases(t *testing.T, url string, key sandboxKey, inner innerMaker) (cases []ablyCase) {
	now, message := nowSeconds(), object{"name": "n", "data": "d"}
	as := func(clientID string) ablyCall {
		return ablyCall{"do": "request", "method": "post", "path": "/channels/chat:a/messages", "body": object{"name": "n", "data": "d", "clientId": clientID}}
	}
	publish := func(channel string) ablyCall {
		return ablyCall{"do": "publish", "channel": channel, "message": message}
	}
	const narrow, ping = `{"chat:*":["publish"]}`, `{"*":["stats"]}`
	wide := object{"exp": now + 300, "x-ably-clientId": "mallory", "x-ably-capability": `{"*":["*"]}`}

	// Refusals are counted by the inner token: each of them is carried by one carrier.
	var jobs []job
	add := func(c carrier, token string, claims object) { jobs = append(jobs, c.carry(token, claims)) }
	each := func(name, token string, calls []ablyCall, check func(*testing.T, ablyDid)) {
		cases = append(cases, ablyCase{name: inner.kind + " in " + name, observe: true, client: ablyClient{Options: object{"token": token}}, calls: calls, check: check})
	}
	refused := func(code int) func(*testing.T, ablyDid) {
		return func(t *testing.T, did ablyDid) {
			require.NotNil(t, did.Outcomes[0].Error)
			require.Equal(t, 40171, did.Outcomes[0].Error.Code, "the SDK looks for a way to renew")
			require.Equal(t, []presentation{{0, 401, code}}, did.presented())
		}
	}

	const perCarrier = 6
	for _, c := range carriers {
		gone := inner.make(inner.kind+" in "+c.name, ping)
		add(c, inner.make("ana", narrow), wide)
		add(c, inner.make("late by "+c.name, ping), object{"exp": now + 3600})
		add(c, inner.make("over by "+c.name, ping), object{"exp": now - 1})
		add(c, inner.dead("dead by "+c.name), object{"exp": now + 300})
		add(c, gone, nil)
		add(c, gone, object{"exp": now + 300, "jti": "another"})
	}
	tokens := mintEach(t, jobs)
	for i, c := range carriers {
		of := tokens[perCarrier*i : perCarrier*(i+1)]
		each(c.name, of[0], []ablyCall{publish("chat:a"), as("ana"), publish("other"), {"do": "history", "channel": "chat:a"}, stats, as("mallory"), as("*")},
			func(t *testing.T, did ablyDid) {
				require.Len(t, did.Outcomes, 7)
				require.Nil(t, did.Outcomes[0].Error)
				require.Equal(t, 201, did.answerOf(t, 1).StatusCode)
				for _, o := range did.Outcomes[2:5] {
					o.requireThrew(t, 40160, 401, "operation not permitted with provided capability")
				}
				for i := range 2 {
					a := did.answerOf(t, 5+i)
					require.Equal(t, []any{400, 40012}, []any{a.StatusCode, a.ErrorCode}, "who the outer token says that it is does not count")
				}
			})
		each(c.name+", expired inside", of[3], []ablyCall{stats}, refused(40142))
		name := inner.kind + " in " + c.name
		revoked := requireRevoked("clientId:" + name)
		each(c.name+", revoked inside", of[4], []ablyCall{stats, stats, revokeWith(key, nil, target("clientId", name)), stats}, func(t *testing.T, did ablyDid) {
			revoked(t, did)
			requireRefused(t, present(of[5]).send(t, url), refusal{code: 40141, status: 401})
		})
		if c.hidesClaims() {
			continue
		}
		each(c.name+", which outlives it", of[1], []ablyCall{stats}, refused(40144))
		each(c.name+", which is over", of[2], []ablyCall{stats}, refused(40142))
	}
	return cases
}

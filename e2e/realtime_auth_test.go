package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRealtimeRefusals shows that a bad credential never fails the upgrade: it gets
// an ERROR frame of no channel, and the connection's end (RTN14a, RTN14g).
func TestRealtimeRefusals(t *testing.T) {
	t.Parallel()
	server := startServer(t, baseConfig())
	good := mint(t, keyFull, nil)
	ana := mint(t, keyFull, map[string]any{"x-ably-clientId": "ana"})
	plain := upgrade{}
	token := func(text string) upgrade { return plain.withQuery("access_token", text) }
	key := func(text string) upgrade { return plain.withQuery("key", text) }
	from := func(u upgrade, origin string) upgrade {
		u.header = http.Header{"Origin": {origin}}
		return u
	}
	t.Run("refused", func(t *testing.T) {
		for name, c := range map[string]struct {
			upgrade
			code, status int
		}{
			"nothing":                       {plain, 40101, 401},
			"an empty token":                {token(""), 40005, 400},
			"rubbish for a token":           {token("rubbish"), 40005, 400},
			"a token too long":              {token(strings.Repeat("a.", 4097)), 40005, 400},
			"a token in base64":             {token("ZXlKaGJHY2lPaUpJVXpJMU5pSjkuZTMwLmE"), 40005, 400},
			"a forged JWT":                  {token(good[:len(good)-2] + "AA"), 40144, 401},
			"two segments":                  {token("a.b.c.d"), 40144, 401},
			"an expired JWT":                {token(mint(t, keyFull, map[string]any{"iat": nowSeconds() - 60, "exp": nowSeconds() - 1})), 40142, 401},
			"two tokens":                    {token(good).withQuery("accessToken", ana), 40000, 400},
			"two keys":                      {key(apiKey(keyFull)).withQuery("key", apiKey(keyChat)), 40000, 400},
			"a bad token before a good key": {token("rubbish").withQuery("key", apiKey(keyFull)), 40005, 400},
			"a key without a secret":        {key(keyFull), 40005, 400},
			"a key without an id":           {key("e2eApp:secret"), 40005, 400},
			"a wrong secret":                {key(keyFull + ":wrong"), 40101, 401},
			"an unknown key":                {key(app + ".none:" + secretFull), 40400, 401},
			"an unknown app's key":          {key("nobody.full:" + secretFull), 40101, 401},
			"a disabled key":                {key(apiKey(keyOff)), 40130, 401},
			"a disabled key's JWT":          {token(mint(t, keyOff, nil)), 40130, 401},
			"a key that only verifies":      {key(apiKey(keyDying)), 40130, 401},
			"a revoked key":                 {key(apiKey(keyRevoked)), 40131, 401},
			"a key that has expired":        {key(apiKey(keyPast)), 40132, 401},
			"a key from a foreign page":     {from(key(apiKey(keyFenced)), "https://evil.example"), 40300, 403},
			"a key from elsewhere":          {key(apiKey(keyFar)), 40300, 403},
			"another's clientId":            {token(ana).withQuery("clientId", "ben"), 40102, 401},
			"a clientId and nobody's token": {token(good).withQuery("clientId", "ana"), 40102, 401},
			"a clientId too long":           {key(apiKey(keyFull)).withQuery("clientId", strings.Repeat("x", 257)), 40012, 400},
			"a clientId of control bytes":   {key(apiKey(keyFull)).withQuery("clientId", "a\nb"), 40012, 400},
			"a clientId with a star":        {key(apiKey(keyFull)).withQuery("clientId", "*"), 40012, 400},
			"two clientIds":                 {key(apiKey(keyFull)).withQuery("clientId", "ana", "clientId", "ben"), 40000, 400},
			"a server that is none":         {token(ana).withQuery("clientType", "server"), 40167, 401},
		} {
			inBothFormats(t, name, func(t *testing.T, format string) {
				c.upgrade.in(format).dial(t, server).requireFatal(t, c.code, c.status)
			})
		}
	})
	t.Run("again and again", func(t *testing.T) {
		inBothFormats(t, "with an expired token", func(t *testing.T, format string) {
			expired := token(mint(t, keyFull, map[string]any{"iat": nowSeconds() - 60, "exp": nowSeconds() - 1, "x-ably-clientId": format})).in(format)
			for range 10 {
				expired.dial(t, server).requireFatal(t, 40142, 401)
			}
			// No token error any more, and none for good: the SDK waits.
			expired.dial(t, server).requireEnding(t, actDisconnected, 42910, 429)
		})
	})
	t.Run("let in", func(t *testing.T) {
		for name, u := range map[string]upgrade{
			"access_token":                 token(good),
			"accessToken":                  plain.withQuery("accessToken", good),
			"the same token twice":         token(good).withQuery("accessToken", good),
			"Authorization":                {header: http.Header{"Authorization": {"Bearer " + good}}},
			"Authorization before a key":   upgrade{header: http.Header{"Authorization": {"Bearer " + good}}}.withQuery("key", "rubbish"),
			"a key":                        key(apiKey(keyFull)),
			"a key from its own page":      from(key(apiKey(keyFenced)), fencedOrigin),
			"a token from a foreign page":  from(token(mint(t, keyFenced, nil)), "https://evil.example"),
			"an old version":               key(apiKey(keyFull)).withQuery("v", "2"),
			"parameters that nobody knows": key(apiKey(keyFull)).withQuery("agent", "x/1 y/2", "lib", "js", "unknown", "1"),
		} {
			inBothFormats(t, name, func(t *testing.T, format string) {
				c, _ := u.in(format).connect(t, server)
				require.Empty(t, c.requireAlive(t))
			})
		}
	})
	server.stop(t)
}

// TestRealtimeReauthentication sends AUTH frames that no SDK would.
func TestRealtimeReauthentication(t *testing.T) {
	t.Parallel()
	server := startServer(t, realtimeConfig())
	ana := object{"x-ably-clientId": "ana"}
	auth := func(token any) object { return object{"action": actAuth, "auth": object{"accessToken": token}} }
	t.Run("with", func(t *testing.T) {
		inBothFormats(t, "a good token", func(t *testing.T, format string) {
			c, first := withJWT(t, format, "full", ana).connect(t, server)
			for range 3 {
				c.send(t, auth(mintRealtime(t, "full", ana)))
				f := c.next(t)
				require.Equal(t, actConnected, f.Action, "%s", f)
				require.Equal(t, first.ConnectionID, f.ConnectionID)
				require.Equal(t, "ana", f.Details.ClientID)
				require.False(t, f.has("error"), "%s", f)
				requireConnected(t, "raw", f)
			}
		})
		for name, c := range map[string]struct {
			token        any
			codes        []int
			status       int
			alsoWithKeys bool
		}{
			"a forged one":                 {forge(mintRealtime(t, "full", ana)), []int{40101}, 401, true},
			"rubbish":                      {"rubbish", []int{40101}, 401, true},
			"an expired one":               {mintRealtime(t, "full", object{"iat": nowSeconds() - 60, "exp": nowSeconds() - 1}), []int{40142}, 401, true},
			"one of another key":           {mintRealtime(t, "second", ana), []int{40102}, 401, true},
			"one of another app":           {mintRealtime(t, "other", ana), []int{40102}, 401, true},
			"another client's":             {mintRealtime(t, "full", object{"x-ably-clientId": "ben"}), []int{40102}, 401, true},
			"nobody's":                     {mintRealtime(t, "full", nil), []int{40102}, 401, false},
			"an empty one":                 {"", []int{40101, 40005}, 0, true},
			"null":                         {nil, []int{40101, 40005}, 0, true},
			"a key instead of a token":     {realtimeKeys["full"], []int{40101}, 401, true},
			"a capability of nothing left": {mintRealtime(t, "full", object{"x-ably-clientId": "ana", "x-ably-capability": `{"[meta]x":["subscribe"]}`}), []int{40101, 40160}, 401, false},
		} {
			inBothFormats(t, name, func(t *testing.T, format string) {
				conns := map[string]upgrade{"token": withJWT(t, format, "full", ana)}
				if c.alsoWithKeys {
					conns["key"] = upgrade{format: format}.withQuery("key", realtimeKeys["full"], "clientId", "ana")
				}
				for by, u := range conns {
					conn, _ := u.connect(t, server)
					conn.send(t, auth(c.token))
					f := conn.next(t)
					require.Equal(t, actError, f.Action, "%s: %s", by, f)
					require.False(t, f.has("channel"), "%s", f)
					require.Contains(t, c.codes, f.Error.Code, "%s: %s", by, f)
					if c.status != 0 {
						require.Equal(t, c.status, f.Error.StatusCode)
					}
					conn.requireEnd(t)
				}
			})
		}
		inBothFormats(t, "no token at all", func(t *testing.T, format string) {
			for _, f := range []object{{"action": actAuth}, {"action": actAuth, "auth": object{}}, {"action": actAuth, "auth": nil}} {
				c, _ := withJWT(t, format, "full", ana).connect(t, server)
				c.send(t, f)
				e := c.next(t)
				require.Equal(t, actError, e.Action, "%s", e)
				require.Contains(t, []int{40101, 40005}, e.Error.Code, "%s", e)
				c.requireEnd(t)
			}
		})
		inBothFormats(t, "more than ten a second", func(t *testing.T, format string) {
			c, _ := withJWT(t, format, "full", ana).connect(t, server)
			token := mintRealtime(t, "full", ana)
			for range 40 {
				if c.WriteMessage(c.op(), encodeAs(t, auth(token), c.binary)) != nil {
					break // it is closed already
				}
			}
			answered := 0
			for {
				f := c.next(t)
				if f.Action == actConnected {
					answered++
					continue
				}
				require.Equal(t, actDisconnected, f.Action, "a limit that passes is never ERROR: %s", f)
				require.Equal(t, []int{42910, 429}, []int{f.Error.Code, f.Error.StatusCode})
				break
			}
			require.LessOrEqual(t, answered, 20, "ten a second")
			require.GreaterOrEqual(t, answered, 9)
			c.requireEnd(t)
		})
		inBothFormats(t, "less, and what that ends", func(t *testing.T, format string) { losesSubscribe(t, server, format) })
	})
	server.stop(t)
}

// forge changes a JWT's signature.
func forge(token string) string {
	last := "AA"
	if strings.HasSuffix(token, last) {
		last = "BA"
	}
	return token[:len(token)-2] + last
}

// losesSubscribe shows that messages stop before CONNECTED tells of the new token,
// while somebody publishes without a pause.
func losesSubscribe(t *testing.T, server *process, format string) {
	room := ofTest(t)
	ana, _ := withJWT(t, format, "full", object{"x-ably-clientId": "ana"}).connect(t, server)
	ana.attach(t, room)
	ben, _ := withJWT(t, format, "full", nil).connect(t, server)
	for range 50 {
		ben.send(t, ben.message(room, object{"name": "n", "data": "d"}))
	}
	ana.await(t, actMessage)
	ana.send(t, object{"action": actAuth, "auth": object{"accessToken": mintRealtime(t, "full", object{
		"x-ably-clientId": "ana", "x-ably-capability": `{"elsewhere":["subscribe"]}`,
	})}})
	for range 50 {
		ben.send(t, ben.message(room, object{"name": "n", "data": "d"}))
	}
	ana.await(t, actConnected)
	before := ana.ahead
	ana.ahead = nil
	for _, f := range before {
		if f.Action == actError { // either order will do
			ana.ahead = append(ana.ahead, f)
		}
	}
	f := ana.await(t, actError)
	require.Equal(t, room, f.Channel)
	require.Equal(t, []int{40160, 401}, []int{f.Error.Code, f.Error.StatusCode})
	for _, f := range append(ana.ahead, ana.requireAlive(t)...) {
		require.NotEqual(t, actMessage, f.Action, "after CONNECTED: %s", f)
	}
}

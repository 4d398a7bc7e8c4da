package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

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
				u := c.upgrade
				u.format = format
				u.dial(t, server).requireFatal(t, c.code, c.status)
			})
		}
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
				u.format = format
				c, _ := u.connect(t, server)
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

// TestRealtimeRevocation shows what revocations do to connections that do not react.
func TestRealtimeRevocation(t *testing.T) {
	t.Parallel()
	server := startServer(t, realtimeConfig())
	revoke := func(t *testing.T, body string) {
		keyName, _, _ := strings.Cut(realtimeKeys["revocable"], ":")
		a := request{method: "POST", path: "/keys/" + keyName + "/revokeTokens", body: body, header: presentKey(realtimeKeys["revocable"]).header}.
			withHeader("Content-Type", typeJSON).withHeader("X-Ably-Version", "3").send(t, server.public)
		require.Equal(t, 201, a.status, "%s", a.body)
	}
	issued := func(t *testing.T, format, clientID string) upgrade {
		return withJWT(t, format, "revocable", object{"iat": nowSeconds() - 10, "x-ably-clientId": clientID})
	}
	t.Run("", func(t *testing.T) {
		inBothFormats(t, "at once", func(t *testing.T, format string) {
			me := ofTest(t)
			u := issued(t, format, me)
			c, _ := u.connect(t, server)
			other, _ := issued(t, format, me+" other").connect(t, server)
			c.attach(t, me)
			revoke(t, `{"targets":["clientId:`+me+`"]}`)
			c.requireEnding(t, actDisconnected, 40141, 401)
			u.dial(t, server).requireFatal(t, 40141, 401)
			require.Empty(t, other.requireAlive(t))
			again, _ := other.reauthenticated(t, mintRealtime(t, "revocable", object{"x-ably-clientId": me + " other"}))
			require.NotNil(t, again)
		})
		inBothFormats(t, "with a margin that nobody uses", func(t *testing.T, format string) {
			me := ofTest(t)
			c, _ := issued(t, format, me).connect(t, server)
			began := time.Now()
			revoke(t, `{"targets":["clientId:`+me+`"],"allowReauthMargin":true}`)
			require.Equal(t, actAuth, c.await(t, actAuth).Action)
			require.Less(t, time.Since(began), 3*time.Second, "it is asked at once")
			require.Empty(t, c.requireAlive(t), "it goes on until then")
			var gone frame
			for gone.Action != actDisconnected {
				var err error
				gone, err = c.read(40 * time.Second)
				require.NoError(t, err)
				require.Contains(t, []int{actHeartbeat, actAuth, actDisconnected}, gone.Action, "%s", gone)
			}
			require.Equal(t, 40141, gone.Error.Code)
			require.InDelta(t, 30, time.Since(began).Seconds(), 2.5, "30 s, and to the next whole second")
			c.requireEnd(t)
		})
		inBothFormats(t, "an AUTH with a revoked token", func(t *testing.T, format string) {
			me := ofTest(t)
			held := mintRealtime(t, "revocable", object{"iat": nowSeconds() - 10, "x-ably-clientId": me, "x-ably-revocation-key": me})
			c, _ := withJWT(t, format, "revocable", object{"iat": nowSeconds() - 10, "x-ably-clientId": me}).connect(t, server)
			revoke(t, `{"targets":["revocationKey:`+me+`"]}`)
			c.send(t, object{"action": actAuth, "auth": object{"accessToken": held}})
			c.requireFatal(t, 40141, 401)
		})
	})
	server.stop(t)
}

// reauthenticated sends AUTH and returns the CONNECTED that answers it.
func (c *rawConn) reauthenticated(t testing.TB, token string) (*rawConn, frame) {
	t.Helper()
	c.send(t, object{"action": actAuth, "auth": object{"accessToken": token}})
	return c, c.await(t, actConnected)
}

// TestRealtimeKeyRevocation shows that a key which is revoked takes its connections
// with it, for good, and leaves the others alone.
func TestRealtimeKeyRevocation(t *testing.T) {
	t.Parallel()
	server := startServer(t, realtimeConfig())
	var doomed []*rawConn
	for _, format := range []string{"json", "msgpack"} {
		byToken, _ := withJWT(t, format, "second", object{"x-ably-clientId": "ana"}).connect(t, server)
		byKey, _ := upgrade{format: format}.withQuery("key", realtimeKeys["second"]).connect(t, server)
		doomed = append(doomed, byToken, byKey)
	}
	spared, _ := withJWT(t, "json", "full", nil).connect(t, server)
	config, err := os.ReadFile(server.config)
	require.NoError(t, err)
	_, secret, _ := strings.Cut(realtimeKeys["second"], ":")
	changed := strings.Replace(string(config), "secret: "+secret, "secret: "+secret+", state: revoked", 1)
	require.NotEqual(t, string(config), changed)
	require.NoError(t, os.WriteFile(server.config, []byte(changed), 0o600))
	server.signal(t, syscall.SIGHUP)
	for i, c := range doomed {
		t.Run(fmt.Sprint(i), func(t *testing.T) { c.requireFatal(t, 40131, 401) })
	}
	require.Empty(t, spared.requireAlive(t))
	server.stop(t)
}

// TestRealtimeExpiry shows that a token's end is the connection's, to the second,
// and that nothing is delivered after it.
func TestRealtimeExpiry(t *testing.T) {
	t.Parallel()
	server := startServer(t, realtimeConfig())
	t.Run("", func(t *testing.T) {
		inBothFormats(t, "of a token in use", func(t *testing.T, format string) {
			room := ofTest(t)
			exp := nowSeconds() + 3
			c, _ := withJWT(t, format, "full", object{"exp": exp}).connect(t, server)
			c.attach(t, room)
			publisher, _ := withJWT(t, format, "full", nil).connect(t, server)
			var last time.Time
			for {
				publisher.send(t, publisher.message(room, object{"name": "n", "data": "d"}))
				publisher.await(t, actAck)
				f := c.next(t)
				if f.Action == actDisconnected {
					require.Equal(t, []int{40142, 401}, []int{f.Error.Code, f.Error.StatusCode})
					break
				}
				require.Equal(t, actMessage, f.Action, "%s", f)
				last = time.UnixMilli(f.Timestamp)
				time.Sleep(2 * time.Millisecond) // not a flood
			}
			end := time.Unix(exp, 0)
			require.False(t, time.Now().Before(end), "not before its end")
			require.WithinDuration(t, end, time.Now(), 1500*time.Millisecond)
			require.True(t, last.Before(end), "sent at %s, delivered after the token's end", last)
			c.requireEnd(t)
		})
		inBothFormats(t, "and its renewal in time", func(t *testing.T, format string) {
			exp := nowSeconds() + 3
			c, first := withJWT(t, format, "full", object{"exp": exp}).connect(t, server)
			_, f := c.reauthenticated(t, mintRealtime(t, "full", nil))
			require.Equal(t, first.ConnectionID, f.ConnectionID)
			for time.Now().Before(time.Unix(exp, 0).Add(time.Second)) {
				require.Empty(t, c.requireAlive(t))
				time.Sleep(50 * time.Millisecond) // not a flood
			}
		})
	})
	server.stop(t)
}

package e2e

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChannelsAndOperations(t *testing.T) {
	server := startServer(t, baseConfig())
	ana := map[string]any{"x-ably-clientId": "ana"}
	token := present(mint(t, keyChat, ana))
	anonymous := present(mint(t, keyFull, nil))
	allowed := func(name string, r request) {
		t.Run(name, func(t *testing.T) {
			a := r.send(t, server.public)
			require.Equal(t, 200, a.status, "%s", a.body)
		})
	}
	refused := func(name string, r request, want refusal) {
		t.Run(name, func(t *testing.T) { requireRefusedFor(t, server, r, want) })
	}
	on := func(r request, channel, op string) request { return r.with("channel", channel, "op", op) }
	denied := refusal{40160, 401, "capability_denied"}

	allowed("granted", on(token, "chat:room1", "publish"))
	allowed("granted, deeper", on(token, "chat:a:b", "subscribe"))
	allowed("a namespace's wildcard grants the namespace itself", on(token, "chat", "publish"))
	allowed("parameters of a channel are not its name", on(token, "[?rewind=1]chat:room1", "subscribe"))
	refused("another channel", on(token, "admin:audit", "publish"), denied)
	refused("a longer namespace", on(token, "chats:room1", "publish"), denied)
	refused("another operation", on(token, "chat:room1", "history"), denied)
	refused("metachannels need their own grant", on(anonymous, "[meta]log", "subscribe"), denied)
	allowed("a key, its own capability", on(presentKey(apiKey(keyChat)), "chat:x", "publish"))
	refused("a key, beyond its capability", on(presentKey(apiKey(keyChat)), "x", "publish"), denied)

	channelInvalid := refusal{40010, 400, "channel_invalid"}
	for _, name := range []string{"", ":x", "[foo]x", "[meta", "a\nb", "[]"} {
		refused("channel "+name, on(anonymous, name, "publish"), channelInvalid)
	}
	refused("no such operation", on(token, "chat:x", "destroy"), refusal{40003, 400, "operation_unknown"})
	refused("the wildcard is no operation", on(token, "chat:x", "*"), refusal{40003, 400, "operation_unknown"})
	refused("an operation alone", token.with("op", "publish"), refusal{40000, 400, "channel_or_op_missing"})
	refused("a channel alone", token.with("channel", "chat:x"), refusal{40000, 400, "channel_or_op_missing"})
	refused("two channels", on(token, "chat:x", "publish").with("channel", "chat:y"), refusal{40000, 400, "ambiguous_credentials"})

	noClient := refusal{91000, 400, "presence_without_client_id"}
	refused("presence of an anonymous client", on(anonymous, "chat:x", "presence"), noClient)
	refused("presence of an anonymous client, no channel", anonymous.with("op", "presence"), noClient)
	refused("presence of a wildcard client", on(presentKey(apiKey(keyFull)), "chat:x", "presence"), noClient)
	allowed("presence of a wildcard client who gives a name", on(presentKey(apiKey(keyFull)), "chat:x", "presence").with("clientId", "ana"))
	allowed("presence of an identified client", on(present(mint(t, keyFull, ana)), "chat:x", "presence"))
	refused("presence that is not granted", on(token, "chat:x", "presence"), denied)
	server.stop(t)
}

func TestWhatATokenGrantsIsWithinItsKey(t *testing.T) {
	server := startServer(t, baseConfig())
	now := nowSeconds()
	for name, c := range map[string]struct{ claim, want any }{
		"none: the key's":          {nil, chatCapability},
		"narrower":                 {`{"chat:a":["publish"]}`, `{"chat:a":["publish"]}`},
		"wider":                    {`{"*":["*"]}`, chatCapability},
		"partly beyond":            {`{"chat:a":["publish","history"],"admin":["*"]}`, `{"chat:a":["publish"]}`},
		"an object, not its text":  {map[string]any{"chat:*": []string{"subscribe"}}, `{"chat:*":["subscribe"]}`},
		"sorted, without doubles":  {`{"chat:b":["subscribe","publish","publish"],"chat:a":["*"]}`, `{"chat:a":["publish","subscribe"],"chat:b":["publish","subscribe"]}`},
		"white space in the claim": {" { \"chat:a\" : [ \"publish\" ] } ", `{"chat:a":["publish"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			token := mint(t, keyChat, map[string]any{"iat": now, "exp": now + 60, "x-ably-capability": c.claim})
			for range 2 {
				requireAdmitted(t, present(token).send(t, server.public), admission{
					KeyName: keyChat, Capability: c.want.(string), Issued: unixMilli(now), Expires: unixMilli(now + 60),
				})
			}
		})
	}
	server.stop(t)
}

func TestClientIDs(t *testing.T) {
	server := startServer(t, baseConfig())
	tokens := map[string]request{
		"ana":  present(mint(t, keyFull, map[string]any{"x-ably-clientId": "ana"})),
		"*":    present(mint(t, keyFull, map[string]any{"x-ably-clientId": "*"})),
		"":     present(mint(t, keyFull, nil)),
		"key":  presentKey(apiKey(keyFull)),
		"ünï😀": present(mint(t, keyFull, map[string]any{"x-ably-clientId": "ünï😀"})),
	}
	mismatch, invalid := refusal{40102, 401, "client_id_mismatch"}, refusal{40012, 400, "request_client_id_invalid"}
	for _, c := range []struct {
		token, asked, resolved string
		refused                refusal
	}{
		{token: "ana", asked: "", resolved: "ana"},
		{token: "ana", asked: "ana", resolved: "ana"},
		{token: "ana", asked: "bob", refused: mismatch},
		{token: "ana", asked: "Ana", refused: mismatch},
		{token: "ana", asked: "*", refused: invalid},
		{token: "*", asked: "", resolved: "*"},
		{token: "*", asked: "bob", resolved: "bob"},
		{token: "*", asked: "a*b", refused: invalid},
		{token: "key", asked: "", resolved: "*"},
		{token: "key", asked: "bob", resolved: "bob"},
		{token: "", asked: "", resolved: ""},
		{token: "", asked: "bob", refused: mismatch},
		{token: "ünï😀", asked: "ünï😀", resolved: "ünï😀"},
		{token: "*", asked: "ünï😀", resolved: "ünï😀"},
		{token: "*", asked: "a\x00b", refused: invalid},
	} {
		query := tokens[c.token].with("clientId", c.asked)
		header := tokens[c.token].withHeader("X-Ably-ClientId", base64.StdEncoding.EncodeToString([]byte(c.asked)))
		both := header.with("clientId", c.asked)
		for by, r := range map[string]request{"query": query, "header": header, "both": both} {
			t.Run(c.token+" asked for "+c.asked+" by "+by, func(t *testing.T) {
				if c.refused != (refusal{}) {
					requireRefusedFor(t, server, r, c.refused)
					return
				}
				a := r.send(t, server.public)
				require.Equal(t, 200, a.status, "%s", a.body)
				var got admission
				decodeStrictly(t, a.body, &got)
				require.Equal(t, c.resolved, got.ClientID)
			})
		}
	}
	wildcard := tokens["*"]
	requireRefusedFor(t, server, wildcard.with("clientId", "a").withHeader("X-Ably-ClientId", "Yg=="), refusal{40000, 400, "ambiguous_credentials"})
	requireRefusedFor(t, server, wildcard.withHeader("X-Ably-ClientId", "not base64!"), refusal{40004, 400, "client_id_header_malformed"})
	server.stop(t)
}

package server_test

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/server"
	"portcullis/store/memory"
)

// Who a peer is, over real sockets, whose other end is 127.0.0.1. The key ours
// may be presented from 203.0.113.0/24 only, the key page by https://app.example.com.
func TestAnUnsignedRequestObeysTheKeysRestrictions(t *testing.T) {
	address := newTCPSite(t, server.Options{Store: memory.New(memory.Options{}), Settings: server.Settings{AllowInsecureBasic: true}})
	for key, want := range map[string]int{"ours": 403, "keyId": 500} { // there is no sealing secret here: the restriction comes first
		body := fmt.Sprintf(`{"keyName":"appId.%s","timestamp":%d}`, key, engine.Now())
		basic := base64.StdEncoding.EncodeToString([]byte("appId." + key + ":0123456789abcdef0123456789abcdef"))
		raw := fmt.Sprintf("POST /keys/appId.%s/requestToken HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n%s", key, basic, len(body), body)
		require.Equal(t, []int{want}, exchange(t, address, raw), key)
	}
}

func TestPeers(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")}
	inTheClear := newTCPSite(t, server.Options{Settings: server.Settings{AllowInsecureBasic: true}})
	behindProxy := newTCPSite(t, server.Options{Settings: server.Settings{AllowInsecureBasic: true, TrustedProxies: proxies}})
	strict := newTCPSite(t, server.Options{Settings: server.Settings{TrustedProxies: proxies}})
	direct := newTCPSite(t, server.Options{})
	for name, c := range map[string]struct {
		address, key, headers string
		want                  int
	}{
		"an address that is not allowed":               {inTheClear, "ours", "", 403},
		"a client that claims an address":              {inTheClear, "ours", "X-Forwarded-For: 203.0.113.9\r\n", 403},
		"a proxy that tells an allowed address":        {behindProxy, "ours", "X-Forwarded-For: 203.0.113.9\r\n", 200},
		"the same as an IPv4-mapped address":           {behindProxy, "ours", "X-Forwarded-For: ::ffff:203.0.113.9\r\n", 200},
		"a proxy that tells another address":           {behindProxy, "ours", "X-Forwarded-For: 198.51.100.1\r\n", 403},
		"a proxy that tells nothing":                   {behindProxy, "ours", "", 403},
		"what the client wrote before the proxy":       {behindProxy, "ours", "X-Forwarded-For: 203.0.113.9, 198.51.100.1\r\n", 403},
		"two proxies":                                  {behindProxy, "ours", "X-Forwarded-For: 203.0.113.9, 10.1.2.3\r\n", 200},
		"two proxies in two headers":                   {behindProxy, "ours", "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 10.1.2.3\r\n", 200},
		"nonsense from a proxy":                        {behindProxy, "ours", "X-Forwarded-For: 203.0.113.9, unknown\r\n", 403},
		"the origin that is allowed":                   {inTheClear, "page", "Origin: https://app.example.com\r\n", 200},
		"no origin":                                    {inTheClear, "page", "", 200},
		"another origin":                               {inTheClear, "page", "Origin: https://evil.example\r\n", 403},
		"the origin null":                              {inTheClear, "page", "Origin: null\r\n", 403},
		"an origin that begins alike":                  {inTheClear, "page", "Origin: https://app.example.com.evil.example\r\n", 403},
		"a key in the clear":                           {direct, "keyId", "", 401},
		"a key in the clear that claims otherwise":     {direct, "keyId", "X-Forwarded-Proto: https\r\n", 401},
		"a key over a proxy's TLS":                     {strict, "keyId", "X-Forwarded-Proto: https\r\n", 200},
		"a key over a proxy's TLS, as WebSocket":       {strict, "keyId", "X-Forwarded-Proto: wss\r\n", 200},
		"a key in the clear before the proxy":          {behindProxy, "keyId", "X-Forwarded-Proto: http\r\n", 401},
		"a key in the clear before it, as WebSocket":   {behindProxy, "keyId", "X-Forwarded-Proto: ws\r\n", 401},
		"a proxy that does not tell, keys allowed":     {behindProxy, "keyId", "", 200},
		"a proxy that does not tell, keys not allowed": {strict, "keyId", "", 401},
	} {
		raw := "GET /v1/admit?key=appId." + c.key + ":0123456789abcdef0123456789abcdef HTTP/1.1\r\nHost: x\r\n" + c.headers + "\r\n"
		require.Equal(t, []int{c.want}, exchange(t, c.address, raw), name)
	}
}

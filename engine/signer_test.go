package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatASignerMintsIsAdmittedAsMinted(t *testing.T) {
	v := newTestVerifier(t, Options{})
	for _, p := range []TokenParams{
		{},
		{ClientID: "alice"},
		{ClientID: "*", TTL: time.Second},
		{ClientID: `q"\é😀`, Capability: `{ "b":["publish"], "a":["*"] }`, TTL: 24 * time.Hour, RevocationKey: "line\nbreak"},
	} {
		token := mint(t, p)
		var g Grant
		require.NoError(t, v.VerifyToken(&g, token, testNow), "%+v", p)
		require.Equal(t, p.ClientID, string(g.Identity().AppendClientID(nil)))
		require.Equal(t, p.RevocationKey, string(g.RevocationKey()))
		require.Equal(t, testNow-testNow%1000, g.Issued())
		ttl := p.TTL
		if ttl == 0 {
			ttl = time.Hour
		}
		require.Equal(t, g.Issued().Add(ttl), g.Expires())
		if p.Capability != "" {
			require.Equal(t, `{"a":["*"],"b":["publish"]}`, string(g.AppendCapability(nil)))
		}
	}
}

func TestASignerRefusesToMintWhatIsRefused(t *testing.T) {
	s, err := NewSigner("appId.keyId:" + testSecret)
	require.NoError(t, err)
	for name, p := range map[string]TokenParams{
		"a fraction of a second":   {TTL: 1500 * time.Millisecond},
		"no time at all":           {TTL: -time.Second},
		"more than a day":          {TTL: 24*time.Hour + time.Second},
		"a star in a clientId":     {ClientID: "a*b"},
		"a control character":      {ClientID: "a\nb"},
		"a long clientId":          {ClientID: strings.Repeat("x", 257)},
		"no JSON":                  {Capability: "{"},
		"an unknown operation":     {Capability: `{"a":["fly"]}`},
		"nothing":                  {Capability: `{}`},
		"too long a token":         {Capability: `{"` + strings.Repeat("x", 8000) + `":["*"]}`},
		"a revocation key in bits": {RevocationKey: "\xff"},
	} {
		p.Issued = testNow
		_, err := s.AppendJWT(nil, &p)
		require.Error(t, err, name)
	}
	for _, key := range []Secret{"", "appId.keyId", "appId:canary", ".k:canary", "a.:canary", "a.b:"} {
		_, err := NewSigner(key)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "canary")
	}
}

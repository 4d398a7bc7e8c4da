package admission_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
)

const (
	key = engine.Secret("appId.keyId:0123456789abcdef0123456789abcdef")
	now = engine.UnixMilli(1_700_000_000_000)
)

// grant verifies a token minted as p, or the key itself when p is nil.
func grant(t *testing.T, p *engine.TokenParams) *engine.Grant {
	t.Helper()
	everything, err := capability.Parse([]byte(`{"[*]*":["*"]}`))
	require.NoError(t, err)
	v, err := engine.NewVerifier(engine.Options{Keys: []engine.Key{{Name: "appId.keyId", Secret: "0123456789abcdef0123456789abcdef", Capability: everything}}})
	require.NoError(t, err)
	g := new(engine.Grant)
	if p == nil {
		require.NoError(t, v.VerifyKey(g, []byte(key), now))
		return g
	}
	s, err := engine.NewSigner(key)
	require.NoError(t, err)
	p.Issued = now
	token, err := s.AppendJWT(nil, p)
	require.NoError(t, err)
	require.NoError(t, v.VerifyToken(g, token, now))
	return g
}

// Who a connection is (Ably RSA7, RSA12, RSA15): by credential and by what the
// peer asks for.
func TestAdmit(t *testing.T) {
	for _, c := range []struct {
		name  string
		token *engine.TokenParams
		asked string
		kind  engine.IdentityKind
		id    string
		err   error
	}{
		{"a key alone is a wildcard", nil, "", engine.Wildcard, "", nil},
		{"a key may be anybody", nil, "x", engine.Identified, "x", nil},
		{"a token without clientId is anonymous", &engine.TokenParams{}, "", engine.Anonymous, "", nil},
		{"and stays so", &engine.TokenParams{}, "x", 0, "", engine.ErrClientIDMismatch},
		{"a token's clientId is the connection's", &engine.TokenParams{ClientID: "a"}, "", engine.Identified, "a", nil},
		{"asking for it changes nothing", &engine.TokenParams{ClientID: "a"}, "a", engine.Identified, "a", nil},
		{"asking for another is refused", &engine.TokenParams{ClientID: "a"}, "b", 0, "", engine.ErrClientIDMismatch},
		{"a wildcard token is a wildcard", &engine.TokenParams{ClientID: "*"}, "", engine.Wildcard, "", nil},
		{"and may be anybody", &engine.TokenParams{ClientID: "*"}, "x", engine.Identified, "x", nil},
		{"but not everybody", &engine.TokenParams{ClientID: "*"}, "*", 0, "", engine.ErrRequestClientID},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s admission.Session
			err := admission.Admit(&s, grant(t, c.token), admission.Peer{ClientID: []byte(c.asked)})
			require.Equal(t, c.err, err)
			require.Equal(t, c.kind, s.Identity().Kind)
			require.Equal(t, c.id, string(s.Identity().ID))
			if err != nil {
				require.ErrorIs(t, s.Authorize([]byte("x"), capability.Publish), engine.ErrCapabilityDenied, "a refused session may do nothing")
			}
		})
	}
}

func TestAuthorize(t *testing.T) {
	const rights = `{"chat:*":["publish","presence"],"[meta]log":["subscribe"]}`
	for _, c := range []struct {
		name, clientID, asked, channel string
		op                             capability.Op
		want                           error
	}{
		{"granted", "a", "", "chat:x", capability.Publish, nil},
		{"with parameters in the name", "a", "", "[?rewind=1]chat:x", capability.Publish, nil},
		{"a metachannel", "a", "", "[meta]log", capability.Subscribe, nil},
		{"another operation", "a", "", "chat:x", capability.Subscribe, engine.ErrCapabilityDenied},
		{"another channel", "a", "", "x", capability.Publish, engine.ErrCapabilityDenied},
		{"no channel name", "a", "", "", capability.Publish, engine.ErrChannel},
		{"a queue is no channel", "a", "", "[queue]x", capability.Subscribe, engine.ErrChannel},
		{"presence", "a", "", "chat:x", capability.Presence, nil},
		{"presence of nobody", "", "", "chat:x", capability.Presence, engine.ErrPresenceClientID},
		{"presence of anybody", "*", "", "chat:x", capability.Presence, engine.ErrPresenceClientID},
		{"presence of a chosen one", "*", "zoe", "chat:x", capability.Presence, nil},
		{"presence without the right, without a clientId", "", "", "x", capability.Presence, engine.ErrPresenceClientID},
		{"presence without the right", "a", "", "x", capability.Presence, engine.ErrCapabilityDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s admission.Session
			g := grant(t, &engine.TokenParams{ClientID: c.clientID, Capability: rights})
			require.NoError(t, admission.Admit(&s, g, admission.Peer{ClientID: []byte(c.asked)}))
			require.Equal(t, c.want, s.Authorize([]byte(c.channel), c.op))

			x := engine.Explanation{Grant: g.Clone()}
			admission.Explain(&x, admission.Peer{ClientID: []byte(c.asked)}, []byte(c.channel), c.op)
			if c.want == nil {
				require.Nil(t, x.Err)
			} else {
				require.Equal(t, c.want, x.Err, "the explanation agrees")
			}
		})
	}
}

func TestTheZeroSessionMayDoNothing(t *testing.T) {
	var s admission.Session
	require.ErrorIs(t, s.Authorize([]byte("x"), capability.Publish), engine.ErrCapabilityDenied)
	require.Equal(t, engine.Identity{}, s.Identity())
}

func TestAuthorizingAllocatesNothing(t *testing.T) {
	var s admission.Session
	g := grant(t, &engine.TokenParams{ClientID: "a", Capability: `{"chat:*":["publish"]}`})
	channel, asked := []byte("chat:x"), []byte("a")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if admission.Admit(&s, g, admission.Peer{ClientID: asked}) != nil || s.Authorize(channel, capability.Publish) != nil {
			t.Error("refused")
		}
	}))
}

package admission_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
)

// who is an identity, for tables.
type who struct {
	kind engine.IdentityKind
	id   string
}

var (
	anonymous = who{engine.Anonymous, ""}
	wildcard  = who{engine.Wildcard, ""}
	ana       = who{engine.Identified, "ana"}
)

func requireIdentity(t testing.TB, want who, s *admission.Session, text ...any) {
	t.Helper()
	require.Equal(t, want, who{s.Identity().Kind, string(s.Identity().ID)}, text...)
}

// Every connection with every token that it may be re-authenticated with: what it
// becomes, or 40102 (RTC8a, E 40102).
func TestReauthenticationByIdentity(t *testing.T) {
	const basic = "basic"
	for _, c := range []struct {
		credential, asked string // of the connection: basic, or a token's clientId
		next              string // clientId of the new token
		want              who
		err               error
	}{
		// A connection of one clientId stays that client.
		{"ana", "", "ana", ana, nil},
		{"ana", "ana", "ana", ana, nil},
		{"ana", "", "ben", ana, engine.ErrClientIDMismatch},
		{"ana", "", "", ana, engine.ErrClientIDMismatch},
		{"ana", "", "*", ana, engine.ErrClientIDMismatch}, // it did not ask to be ana
		{"ana", "ana", "*", ana, nil},                     // it did
		{"*", "ana", "ana", ana, nil},
		{"*", "ana", "*", ana, nil}, // pinned by the query parameter
		{"*", "ana", "ben", ana, engine.ErrClientIDMismatch},
		{"*", "ana", "", ana, engine.ErrClientIDMismatch},
		{basic, "ana", "ana", ana, nil},
		{basic, "ana", "*", ana, nil},
		{basic, "ana", "", ana, engine.ErrClientIDMismatch},
		{basic, "ana", "ben", ana, engine.ErrClientIDMismatch},
		// A wildcard stays one or becomes nobody, but not somebody.
		{"*", "", "*", wildcard, nil},
		{"*", "", "", anonymous, nil},
		{"*", "", "ana", wildcard, engine.ErrClientIDMismatch},
		{basic, "", "*", wildcard, nil},
		{basic, "", "", anonymous, nil},
		{basic, "", "ana", wildcard, engine.ErrClientIDMismatch},
		// Nobody stays nobody.
		{"", "", "", anonymous, nil},
		{"", "", "ana", anonymous, engine.ErrClientIDMismatch},
		{"", "", "*", anonymous, engine.ErrClientIDMismatch},
	} {
		w := newWorld(t)
		g := w.basic()
		if c.credential != basic {
			g = w.jwt(token{clientID: c.credential}, now)
		}
		s := w.connect(g, c.asked, now)
		before := s.Grant()
		_, err := s.Reauthenticate(w.jwt(token{clientID: c.next}, now), now)
		require.Equal(t, c.err, err, "%+v", c)
		requireIdentity(t, c.want, s, "%+v", c)
		if c.err != nil {
			require.Same(t, before, s.Grant(), "%+v: everything stays", c)
		}
	}
}

// Only another wildcard token brings a wildcard back, and only where there was one.
func TestAWildcardThatBecameAnonymousMayComeBack(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.basic(), "", now)
	for _, step := range []struct {
		clientID string
		want     who
		err      error
	}{
		{"", anonymous, nil},
		{"ana", anonymous, engine.ErrClientIDMismatch},
		{"", anonymous, nil},
		{"*", wildcard, nil},
		{"", anonymous, nil},
	} {
		_, err := s.Reauthenticate(w.jwt(token{clientID: step.clientID}, now), now)
		require.Equal(t, step.err, err)
		requireIdentity(t, step.want, s)
	}
	// The rights follow: nobody may not speak for others.
	_, _, err := s.Publish([]byte("x"), []byte("ben"), now)
	require.Equal(t, engine.ErrOperationClientID, err)
}

// Another key, be it of the same app, and another app are no compatible
// credentials. What was in force stays in force.
func TestReauthenticationNeedsTheSameKey(t *testing.T) {
	w := newWorld(t)
	for _, other := range []string{"appId.other", "otherApp.keyId"} {
		s := w.connect(w.jwt(token{clientID: "ana", expires: now + 60_000}, now), "", now)
		a := w.attach(s, "x", 0, now)
		next := s.Next()
		lost, err := s.Reauthenticate(w.jwt(token{key: other, clientID: "ana", capability: `{"y":["*"]}`}, now), now+1)
		require.Equal(t, engine.ErrClientIDMismatch, err)
		require.Empty(t, lost)
		require.Equal(t, next, s.Next())
		require.True(t, s.Delivers(a, admission.ModeSubscribe, now+59_999))
		require.NoError(t, publish(s, "x", now+59_999))
		require.Equal(t, engine.ErrTokenExpired, publish(s, "x", now+60_000))
	}
}

// A Basic connection may be upgraded by a token of its key (RSA10a), whose expiry
// then counts; a key presented anew takes the expiry away again.
func TestAKeyIsUpgradedByItsToken(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.basic(), "", now)
	require.Zero(t, s.Next(), "a key does not expire")
	_, err := s.Reauthenticate(w.jwt(token{clientID: "*", expires: now + 60_000}, now), now)
	require.NoError(t, err)
	require.Equal(t, now+30_000, s.Next())
	require.Equal(t, engine.ErrTokenExpired, publish(s, "x", now+60_000))
	_, err = s.Reauthenticate(w.basic(), now+60_000)
	require.NoError(t, err)
	require.NoError(t, publish(s, "x", now+60_000))
	require.Zero(t, s.Next())
}

func TestAKeyIsRestrictedWhenReauthenticatingToo(t *testing.T) {
	w := newWorld(t)
	s := new(admission.Session)
	peer := admission.Peer{IP: netip.MustParseAddr("192.0.2.1")}
	require.NoError(t, admission.Admit(s, w.jwt(token{clientID: "*"}, now), peer))
	s.Begin(now)
	w.configure(func(k *engine.Key) { k.Restrictions.IPs = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} })
	_, err := s.Reauthenticate(w.basic(), now)
	require.Equal(t, engine.ErrForbidden, err)
	peer.IP = netip.MustParseAddr("198.51.100.7")
	_, err = s.Resume(w.basic(), peer, now)
	require.NoError(t, err)
}

// A client that says it is a server must have it signed, unless it holds the key
// (E 40167).
func TestClientType(t *testing.T) {
	w := newWorld(t)
	claim := func(value string) *engine.Grant {
		return w.jwt(token{more: map[string]any{"x-ably-clientType": value}}, now)
	}
	plain := w.jwt(token{}, now)
	for _, c := range []struct {
		name     string
		g        *engine.Grant
		declared engine.ClientType
		want     engine.ClientType
		err      error
	}{
		{"a key may declare anything", w.basic(), engine.ServerClient, engine.ServerClient, nil},
		{"a key, a device", w.basic(), engine.DeviceClient, engine.DeviceClient, nil},
		{"a token without the claim is no server", plain, engine.ServerClient, engine.NoClientType, engine.ErrClientType},
		{"nor is a device's token", claim("device"), engine.ServerClient, engine.NoClientType, engine.ErrClientType},
		{"a server's token is", claim("server"), engine.ServerClient, engine.ServerClient, nil},
		{"and is without declaring it", claim("server"), engine.NoClientType, engine.ServerClient, nil},
		{"only what is signed counts", plain, engine.DeviceClient, engine.NoClientType, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s admission.Session
			require.Equal(t, c.err, admission.Admit(&s, c.g, admission.Peer{ClientType: c.declared}))
			require.Equal(t, c.want, s.ClientType())

			x := engine.Explanation{Grant: c.g.Clone()}
			admission.Explain(&x, admission.Peer{ClientType: c.declared}, []byte("x"), capability.Publish)
			require.Equal(t, c.err == nil, x.Err == nil, "the explanation agrees")
			if c.err != nil {
				require.Equal(t, engine.ErrClientType, x.Err)
				require.Contains(t, x.Checks[0].Detail, "the peer declares server, the token signs")
			}
		})
	}
	var s admission.Session
	require.NoError(t, admission.Admit(&s, claim("server"), admission.Peer{ClientType: engine.ServerClient}))
	s.Begin(now)
	_, err := s.Reauthenticate(plain, now)
	require.Equal(t, engine.ErrClientType, err, "a new token must sign it as well")
	require.Equal(t, engine.ServerClient, s.ClientType())
}

// A client that comes back must be the same client, of the same key.
func TestResume(t *testing.T) {
	for _, c := range []struct {
		clientID, asked string // of the connection
		key             string // of the credential that comes back
		next, nextAsked string
		err             error
	}{
		{"ana", "", "", "ana", "", nil},
		{"ana", "", "", "*", "ana", nil},
		{"*", "ana", "", "ana", "", nil},
		{"*", "ana", "", "*", "ana", nil},
		{"*", "ana", "", "*", "", engine.ErrClientIDMismatch},
		{"*", "ana", "", "*", "ben", engine.ErrClientIDMismatch},
		{"ana", "", "", "ben", "", engine.ErrClientIDMismatch},
		{"ana", "", "", "", "", engine.ErrClientIDMismatch},
		{"ana", "", "", "ana", "ben", engine.ErrClientIDMismatch},
		{"", "", "", "", "", nil},
		{"", "", "", "ana", "", engine.ErrClientIDMismatch},
		{"", "", "", "*", "", engine.ErrClientIDMismatch},
		{"*", "", "", "*", "", nil},
		{"*", "", "", "", "", engine.ErrClientIDMismatch},
		{"*", "", "", "ana", "", engine.ErrClientIDMismatch},
		{"ana", "", "appId.other", "ana", "", engine.ErrClientIDMismatch},
		{"ana", "", "otherApp.keyId", "ana", "", engine.ErrClientIDMismatch},
	} {
		w := newWorld(t)
		s := w.connect(w.jwt(token{clientID: c.clientID, expires: now + 60_000}, now), c.asked, now)
		w.attach(s, "x", 0, now)
		w.attach(s, "y", 0, now)
		require.Equal(t, admission.Disconnect, s.Tick(now+60_000).Kind)
		was := s.Identity()

		later := now + 61_000
		g := w.jwt(token{key: c.key, clientID: c.next, capability: `{"x":["subscribe"]}`}, later)
		lost, err := s.Resume(g, admission.Peer{ClientID: []byte(c.nextAsked)}, later)
		require.Equal(t, c.err, err, "%+v", c)
		require.Equal(t, was, s.Identity(), "%+v", c)
		if c.err != nil {
			require.Equal(t, engine.ErrTokenExpired, publish(s, "x", later), "%+v", c)
			continue
		}
		require.Len(t, lost, 1)
		require.Equal(t, "y", string(lost[0].Name()))
		require.True(t, s.Delivers(s.Attachment([]byte("x")), admission.ModeSubscribe, later))
		require.Equal(t, engine.ErrCapabilityDenied, publish(s, "x", later))
	}
}

// What pins the connection is what its present transport asks for.
func TestAResumeTakesTheNewPeersWord(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{clientID: "*"}, now), "ana", now)
	_, err := s.Resume(w.jwt(token{clientID: "ana"}, now), admission.Peer{}, now)
	require.NoError(t, err)
	_, err = s.Reauthenticate(w.jwt(token{clientID: "*"}, now), now)
	require.Equal(t, engine.ErrClientIDMismatch, err)
}

// A Session that has begun is not touched by what becomes of its arguments.
func TestBeginOwnsWhatItKeeps(t *testing.T) {
	w := newWorld(t)
	g := w.jwt(token{clientID: "*", capability: `{"x":["*"]}`, more: map[string]any{"ably.channel.x": "host"}}, now)
	asked := []byte("ana")
	var s admission.Session
	require.NoError(t, admission.Admit(&s, g, admission.Peer{ClientID: asked}))
	s.Begin(now)
	copy(asked, "eve")
	require.NoError(t, w.VerifyToken(g, w.mint(token{clientID: "ben", capability: `{"y":["*"]}`, more: map[string]any{"ably.channel.y": "evil"}}), now))
	require.Error(t, w.VerifyToken(g, []byte("a.b.c"), now))
	requireIdentity(t, ana, &s)
	require.NoError(t, publish(&s, "x", now))
	stamped, r, err := s.Publish([]byte("x"), nil, now)
	require.NoError(t, err)
	require.Equal(t, "ana", string(stamped))
	claim, ok := s.UserClaim(r)
	require.True(t, ok)
	require.Equal(t, "host", claim)
	_, err = s.Reauthenticate(w.jwt(token{clientID: "*"}, now), now)
	require.NoError(t, err, "still pinned to ana")

	// The same of a new token.
	require.NoError(t, w.VerifyToken(g, w.mint(token{clientID: "ana", capability: `{"x":["*"]}`}), now))
	_, err = s.Reauthenticate(g, now)
	require.NoError(t, err)
	require.NoError(t, w.VerifyToken(g, w.mint(token{clientID: "ben", capability: `{"y":["*"]}`}), now))
	requireIdentity(t, ana, &s)
	require.NoError(t, publish(&s, "x", now))
	asked = []byte("ana")
	_, err = s.Resume(g, admission.Peer{ClientID: asked}, now)
	require.Equal(t, engine.ErrClientIDMismatch, err)
	require.NoError(t, w.VerifyToken(g, w.mint(token{clientID: "*"}), now))
	_, err = s.Resume(g, admission.Peer{ClientID: asked}, now)
	require.NoError(t, err)
	copy(asked, "eve")
	requireIdentity(t, ana, &s)
	_, err = s.Reauthenticate(w.jwt(token{clientID: "*"}, now), now)
	require.NoError(t, err)
}

func TestAZeroSessionHasNoConnection(t *testing.T) {
	w := newWorld(t)
	var s admission.Session
	s.Begin(now)
	s.Review(now)
	require.Zero(t, s.Next())
	require.Equal(t, admission.Action{}, s.Tick(now))
	require.Equal(t, engine.NoClientType, s.ClientType())
	require.Nil(t, s.Grant())
	for name, err := range map[string]error{
		"publish":        publish(&s, "x", now),
		"annotate":       second(s.Annotate([]byte("x"), nil, now)),
		"presence":       second(s.Presence([]byte("x"), nil, now)),
		"attach":         first(s.Attach([]byte("x"), 0, now)),
		"reauthenticate": first(s.Reauthenticate(w.basic(), now)),
		"resume":         first(s.Resume(w.basic(), admission.Peer{}, now)),
	} {
		require.Equal(t, engine.ErrCapabilityDenied, err, name)
	}
	require.False(t, s.Delivers(nil, admission.AllModes, now))
	require.Nil(t, s.Attachment([]byte("x")))
	s.Detach([]byte("x"))
}

func first[A any](_ A, err error) error          { return err }
func second[A, B any](_ A, _ B, err error) error { return err }

package admission_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
)

// The clientId that a message or an annotation gets, by connection and by the one
// that it names (RSA7a1, RSA8f, RTL6g).
func TestStamping(t *testing.T) {
	for _, c := range []struct {
		name            string
		clientID, asked string
		named           []byte // nil for none
		want            string // "" for unset
		err             error
	}{
		{"ana, none", "ana", "", nil, "ana", nil},
		{"ana, ana", "ana", "", []byte("ana"), "ana", nil},
		{"ana, another", "ana", "", []byte("ben"), "", engine.ErrOperationClientID},
		{"ana, empty", "ana", "", []byte{}, "", engine.ErrOperationClientID},
		{"ana, star", "ana", "", []byte("*"), "", engine.ErrOperationClientID},
		{"pinned, none", "*", "ana", nil, "ana", nil},
		{"pinned, another", "*", "ana", []byte("ben"), "", engine.ErrOperationClientID},
		{"wildcard, none", "*", "", nil, "", nil},
		{"wildcard, anybody", "*", "", []byte("ben"), "ben", nil},
		{"wildcard, star", "*", "", []byte("*"), "", engine.ErrOperationClientID},
		{"wildcard, empty", "*", "", []byte{}, "", engine.ErrOperationClientID},
		{"wildcard, control character", "*", "", []byte("a\x00"), "", engine.ErrOperationClientID},
		{"anonymous, none", "", "", nil, "", nil},
		{"anonymous, anybody", "", "", []byte("ben"), "", engine.ErrOperationClientID},
		{"anonymous, empty", "", "", []byte{}, "", engine.ErrOperationClientID},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.connect(w.jwt(token{clientID: c.clientID}, now), c.asked, now)
			for _, operate := range []func(_, _ []byte, _ engine.UnixMilli) ([]byte, capability.Resource, error){s.Publish, s.Annotate} {
				stamped, r, err := operate([]byte("[?rewind=1]x"), c.named, now)
				require.Equal(t, c.err, err)
				require.Equal(t, c.want, string(stamped))
				if c.want == "" {
					require.Nil(t, stamped)
				}
				require.Equal(t, "x", string(r.Path))
			}
		})
	}
}

// Who is present, by connection and by the clientId that the item names (RTP8h to
// RTP8j).
func TestPresence(t *testing.T) {
	const may, mayNot = `{"x":["*"]}`, `{"x":["publish","subscribe"]}`
	for _, c := range []struct {
		name            string
		clientID, asked string
		named           []byte
		capability      string
		want            string
		err             error
	}{
		{"ana enters as herself", "ana", "", nil, may, "ana", nil},
		{"and may say so", "ana", "", []byte("ana"), may, "ana", nil},
		{"but not as another", "ana", "", []byte("ben"), may, "", engine.ErrOperationClientID},
		{"a pinned one too", "*", "ana", nil, may, "ana", nil},
		{"a wildcard names somebody", "*", "", []byte("ben"), may, "ben", nil},
		{"or is nobody", "*", "", nil, may, "", engine.ErrPresenceClientID},
		{"a star is nobody's name", "*", "", []byte("*"), may, "", engine.ErrOperationClientID},
		{"an anonymous client is nobody", "", "", nil, may, "", engine.ErrPresenceClientID},
		{"and may not be somebody", "", "", []byte("ana"), may, "", engine.ErrOperationClientID},
		{"the right is needed", "ana", "", nil, mayNot, "", engine.ErrCapabilityDenied},
		{"that there is nobody is said before it", "", "", nil, mayNot, "", engine.ErrPresenceClientID},
		{"that it is another, after it", "ana", "", []byte("ben"), mayNot, "", engine.ErrCapabilityDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.connect(w.jwt(token{clientID: c.clientID, capability: c.capability}, now), c.asked, now)
			want := w.attach(s, "x", 0, now)
			member, a, err := s.Presence([]byte("x"), c.named, now)
			require.Equal(t, c.err, err)
			require.Equal(t, c.want, string(member))
			if err == nil {
				require.Same(t, want, a)
			}
		})
	}
	w := newWorld(t)
	s := w.connect(w.jwt(token{clientID: "ana"}, now), "", now)
	_, _, err := s.Presence([]byte("x"), nil, now)
	require.Equal(t, engine.ErrNotAttached, err, "presence is of attached channels")
	_, _, err = s.Presence([]byte("[queue]x"), nil, now)
	require.Equal(t, engine.ErrChannel, err)
}

// The first check that fails decides. Each row passes one check more.
func TestOrderOfChecks(t *testing.T) {
	w := newWorld(t)
	const expiry = now + 60_000
	s := w.connect(w.jwt(token{expires: expiry, capability: `{"x":["*"],"identified:*":["publish"]}`}, now), "", now)
	w.attach(s, "x", admission.ModeSubscribe, now)
	named := []byte("ben")
	for _, c := range []struct {
		channel string
		at      engine.UnixMilli
		want    error
	}{
		{"[queue]x", expiry, engine.ErrTokenExpired},
		{"[queue]x", now, engine.ErrChannel},
		{"y", now, engine.ErrCapabilityDenied},
		{"x", now, engine.ErrModeNotRequested},
		{"identified:a", now, engine.ErrIdentifiedOnly},
	} {
		_, _, err := s.Publish([]byte(c.channel), named, c.at)
		require.Equal(t, c.want, err, c.channel)
	}
	w.attach(s, "x", 0, now)
	_, _, err := s.Publish([]byte("x"), named, now)
	require.Equal(t, engine.ErrOperationClientID, err)
	require.NoError(t, publish(s, "x", now))
	require.NoError(t, publish(s, "x", expiry-1))
}

// Anonymous clients have no business in namespaces for identified ones (E 40161).
func TestNamespacesForIdentifiedClients(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		channel string
		closed  bool
	}{
		{"identified", true}, {"identified:x", true}, {"[?rewind=1]identified:x", true}, {"members:a:b", true}, {"members", true},
		{"identified2:x", false}, {"x:identified", false}, {"x", false}, {"[meta]members", false}, {"Members:x", false},
	} {
		for clientID, refused := range map[string]bool{"": c.closed, "*": false, "ana": false} {
			s := w.connect(w.jwt(token{clientID: clientID}, now), "", now)
			s.SetNamespaces(admission.NewNamespaces("members"))
			var want error
			if refused {
				want = engine.ErrIdentifiedOnly
			}
			require.Equal(t, want, publish(s, c.channel, now), "%s by %q", c.channel, clientID)
			require.Equal(t, want, second(s.Annotate([]byte(c.channel), nil, now)))
			require.Equal(t, want, first(s.Attach([]byte(c.channel), 0, now)))
		}
	}
	s := w.connect(w.jwt(token{}, now), "", now)
	require.NoError(t, publish(s, "members:x", now), "only what is configured")
	require.Equal(t, engine.ErrIdentifiedOnly, publish(s, "identified:x", now), "and what is built in")
	// A wildcard that becomes anonymous loses them.
	s = w.connect(w.basic(), "", now)
	require.NoError(t, publish(s, "identified:x", now))
	_, err := s.Reauthenticate(w.jwt(token{}, now), now)
	require.NoError(t, err)
	require.Equal(t, engine.ErrIdentifiedOnly, publish(s, "identified:x", now))
}

// Which claim counts of those that cover a channel: more literal segments, then
// the longer pattern, then byte order.
func TestUserClaims(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{more: map[string]any{
		"ably.channel.*":             "any",
		"ably.channel.chat:*":        "chat",
		"ably.channel.chat:*:log":    "log",
		"ably.channel.chat:one":      "one \"quoted\" \u2028",
		"ably.channel.*:one":         "any one",
		"ably.channel.*:a":           "byte order",
		"ably.channel.b:*":           "behind it",
		"ably.channel.[meta]*":       "meta",
		"ably.channel.[]bad":         "no pattern",
		"ably.channel.":              "no pattern either",
		"ably.room.chat:*":           "not a channel's",
		"ably.channel.quote:\"\\:\n": "line feed",
		"ably.channel.quote:\"\\:x":  "escaped name",
	}}, now), "", now)
	for channel, want := range map[string]string{
		"x": "any", "chat:two": "chat", "chat": "chat", "chat:one": "one \"quoted\" \u2028", "chat:one:log": "log", "chat:one:two": "chat",
		"x:one": "any one", "b:a": "byte order", "b:c": "behind it", "[meta]log": "meta", "quote:\"\\:x": "escaped name",
	} {
		_, r, err := s.Publish([]byte(channel), nil, now)
		require.NoError(t, err)
		claim, ok := s.UserClaim(r)
		require.True(t, ok, channel)
		require.Equal(t, want, claim, channel)
	}
	for name, g := range map[string]*engine.Grant{"a key": w.basic(), "an issued token": w.opaque(s.Grant(), now), "no claims": w.jwt(token{}, now)} {
		_, ok := w.connect(g, "", now).UserClaim(channelNamed("x"))
		require.False(t, ok, name)
	}
}

func channelNamed(path string) capability.Resource {
	return capability.Resource{Qualifier: capability.Channel, Path: []byte(path)}
}

// With a new token come its claims.
func TestUserClaimsFollowTheToken(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{more: map[string]any{"ably.channel.*": "guest"}}, now), "", now)
	_, err := s.Reauthenticate(w.jwt(token{more: map[string]any{"ably.channel.*": "host"}}, now), now)
	require.NoError(t, err)
	claim, _ := s.UserClaim(channelNamed("x"))
	require.Equal(t, "host", claim)
	_, err = s.Reauthenticate(w.jwt(token{}, now), now)
	require.NoError(t, err)
	_, ok := s.UserClaim(channelNamed("x"))
	require.False(t, ok)
}

// Operations of a request, whose Session has not begun, look at the token's own
// expiry and at no attachment.
func TestOperationsOfARequest(t *testing.T) {
	w := newWorld(t)
	var s admission.Session
	require.NoError(t, admission.Admit(&s, w.jwt(token{clientID: "ana", capability: `{"x":["publish","presence"]}`, expires: now + 1000}, now), admission.Peer{}))
	stamped, _, err := s.Publish([]byte("x"), nil, now+999)
	require.NoError(t, err)
	require.Equal(t, "ana", string(stamped))
	require.Equal(t, engine.ErrTokenExpired, publish(&s, "x", now+1000))
	require.Equal(t, engine.ErrNotAttached, second(s.Presence([]byte("x"), nil, now)))
	require.Equal(t, engine.ErrCapabilityDenied, first(s.Attach([]byte("x"), 0, now)))
}

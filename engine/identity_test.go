package engine

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	alice     = Identity{Identified, []byte("alice")}
	anybody   = Identity{Wildcard, nil}
	anonymous = Identity{}
)

// The identity of a connection (RSA7, RSA12, RSA15).
func TestResolve(t *testing.T) {
	for _, c := range []struct {
		credential Identity
		asked      string
		want       Identity
		err        error
	}{
		{anybody, "", anybody, nil},
		{anybody, "bob", Identity{Identified, []byte("bob")}, nil},
		{anonymous, "", anonymous, nil},
		{anonymous, "bob", Identity{}, ErrClientIDMismatch},
		{alice, "", alice, nil},
		{alice, "alice", alice, nil},
		{alice, "bob", Identity{}, ErrClientIDMismatch},
		{alice, "Alice", Identity{}, ErrClientIDMismatch},
		{alice, "*", Identity{}, ErrRequestClientID},
		{anybody, "*", Identity{}, ErrRequestClientID},
		{anonymous, "*", Identity{}, ErrRequestClientID},
		{anybody, "a*", Identity{}, ErrRequestClientID},
		{anybody, "a\x00", Identity{}, ErrRequestClientID},
		{anybody, "\xff", Identity{}, ErrRequestClientID},
		{anybody, strings.Repeat("x", 257), Identity{}, ErrRequestClientID},
		{anybody, strings.Repeat("x", 256), Identity{Identified, []byte(strings.Repeat("x", 256))}, nil},
	} {
		got, err := c.credential.Resolve([]byte(c.asked))
		require.Equal(t, c.err, err, "%s asks for %q", c.credential.Kind, c.asked)
		require.Equal(t, c.want, got, "%s asks for %q", c.credential.Kind, c.asked)
	}
}

// The clientId of messages and presence (RSA7a1, RSA8f, RSL1m, RTP8).
func TestStamp(t *testing.T) {
	for _, c := range []struct {
		connection  Identity
		named       []byte
		want        []byte
		err         error
		presenceErr error
	}{
		{alice, nil, []byte("alice"), nil, nil},
		{alice, []byte("alice"), []byte("alice"), nil, nil},
		{alice, []byte("bob"), nil, ErrOperationClientID, ErrOperationClientID},
		{alice, []byte(""), nil, ErrOperationClientID, ErrOperationClientID},
		{alice, []byte("*"), nil, ErrOperationClientID, ErrOperationClientID},
		{anybody, nil, nil, nil, ErrPresenceClientID},
		{anybody, []byte("bob"), []byte("bob"), nil, nil},
		{anybody, []byte("*"), nil, ErrOperationClientID, ErrOperationClientID},
		{anybody, []byte(""), nil, ErrOperationClientID, ErrOperationClientID},
		{anonymous, nil, nil, nil, ErrPresenceClientID},
		{anonymous, []byte("bob"), nil, ErrOperationClientID, ErrOperationClientID},
	} {
		got, err := c.connection.Stamp(c.named)
		require.Equal(t, c.err, err, "%s names %q", c.connection.Kind, c.named)
		require.Equal(t, c.want, got, "%s names %q", c.connection.Kind, c.named)
		got, err = c.connection.StampPresence(c.named)
		require.Equal(t, c.presenceErr, err, "%s names %q for presence", c.connection.Kind, c.named)
		if err == nil {
			require.Equal(t, c.want, got)
		}
	}
}

package admission_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/admission"
	"portcullis/engine"
)

const rateClaim = "ably.limits.publish.perAttachment.maxRate."

// burst publishes until it is refused for its rate, and returns how often it was
// not.
func burst(t testing.TB, s *admission.Session, channel string, at engine.UnixMilli) (n int) {
	t.Helper()
	for ; n < 10_000; n++ {
		if err := publish(s, channel, at); err != nil {
			require.Equal(t, engine.ErrPublishRate, err)
			return n
		}
	}
	return n
}

// The rate is that of the most specific claim, channel by channel.
func TestPublishRate(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{more: map[string]any{rateClaim + "chat:*": 10, rateClaim + "chat:slow": 0.5, rateClaim + "chat:never": 0}}, now), "", now)
	for _, c := range []struct {
		channel string
		rate    float64
		limited bool
	}{{"chat:a", 10, true}, {"chat:slow", 0.5, true}, {"chat:never", 0, true}, {"other", 0, false}} {
		rate, ok := s.PublishRate(channelNamed(c.channel))
		require.Equal(t, c.limited, ok, c.channel)
		require.Equal(t, c.rate, rate, c.channel)
	}

	require.Equal(t, 10, burst(t, s, "chat:a", now), "a second's worth at once")
	require.Equal(t, 10, burst(t, s, "chat:b", now), "each channel for itself")
	require.Equal(t, 0, burst(t, s, "chat:a", now+99))
	require.Equal(t, 1, burst(t, s, "chat:a", now+100))
	require.Equal(t, 5, burst(t, s, "chat:a", now+600))
	require.Equal(t, 10, burst(t, s, "chat:a", now+60_000), "no more than a second's worth is saved")
	require.Equal(t, 1, burst(t, s, "chat:slow", now))
	require.Equal(t, 0, burst(t, s, "chat:slow", now+1999))
	require.Equal(t, 1, burst(t, s, "chat:slow", now+2000))
	require.Equal(t, 0, burst(t, s, "chat:never", now))
	require.Equal(t, 0, burst(t, s, "chat:never", now+100_000))
	require.Equal(t, 10_000, burst(t, s, "other", now))
}

// Neither detaching nor a new token gives back what was used.
func TestWhatWasPublishedStaysPublished(t *testing.T) {
	w := newWorld(t)
	claims := map[string]any{rateClaim + "x": 10}
	s := w.connect(w.jwt(token{more: claims}, now), "", now)
	w.attach(s, "x", 0, now)
	require.Equal(t, 10, burst(t, s, "x", now))
	s.Detach([]byte("x"))
	require.Equal(t, 0, burst(t, s, "x", now))
	w.attach(s, "[?rewind=1]x", 0, now)
	require.Equal(t, 0, burst(t, s, "[?rewind=1]x", now))
	renew := func(claims map[string]any, at engine.UnixMilli) {
		_, err := s.Reauthenticate(w.jwt(token{more: claims}, at), at)
		require.NoError(t, err)
	}
	renew(claims, now)
	require.Equal(t, 0, burst(t, s, "x", now))
	renew(map[string]any{rateClaim + "x": 100}, now+500) // half a second at the old rate
	require.Equal(t, 5, burst(t, s, "x", now+500))
	require.Equal(t, 10, burst(t, s, "x", now+600))
	renew(nil, now+600)
	require.Equal(t, 10_000, burst(t, s, "x", now+600), "without a claim there is no limit")
}

// A message that is refused for another reason costs nothing.
func TestRefusedMessagesAreNotCounted(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{clientID: "ana", more: map[string]any{rateClaim + "*": 1}}, now), "", now)
	for range 5 {
		_, _, err := s.Publish([]byte("x"), []byte("ben"), now)
		require.Equal(t, engine.ErrOperationClientID, err)
	}
	require.Equal(t, 1, burst(t, s, "x", now))
}

// Who publishes on very many channels at once has to wait; what is remembered is
// bounded.
func TestPacedChannelsAreBounded(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{more: map[string]any{rateClaim + "*": 1}}, now), "", now)
	for i := range 1000 {
		require.NoError(t, publish(s, fmt.Sprint("c", i), now))
	}
	require.Equal(t, engine.ErrPublishRate, publish(s, "one more", now+999))
	require.NoError(t, publish(s, "one more", now+1000), "the others have recovered")
}

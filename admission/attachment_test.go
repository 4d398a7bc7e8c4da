package admission_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/admission"
	"portcullis/engine"
)

const (
	presence            = admission.ModePresence
	publishing          = admission.ModePublish
	subscribe           = admission.ModeSubscribe
	presenceSubscribe   = admission.ModePresenceSubscribe
	annotationPublish   = admission.ModeAnnotationPublish
	annotationSubscribe = admission.ModeAnnotationSubscribe
	objectSubscribe     = admission.ModeObjectSubscribe
	objectPublish       = admission.ModeObjectPublish
)

// The bits are those that SDKs send and read (TR3q-t and Ably's documentation of
// channel modes).
func TestModesAreAblysFlags(t *testing.T) {
	require.Equal(t, admission.Mode(983040), presence|publishing|subscribe|presenceSubscribe)
	require.Equal(t, []admission.Mode{1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 21, 1 << 22, 1 << 24, 1 << 25},
		[]admission.Mode{presence, publishing, subscribe, presenceSubscribe, annotationPublish, annotationSubscribe, objectSubscribe, objectPublish})
}

// The modes that a channel is attached with: those requested of those granted.
func TestModesOfAnAttachment(t *testing.T) {
	const none = admission.Mode(0)
	for _, c := range []struct {
		capability string
		requested  admission.Mode
		want       admission.Mode // none: 40160
	}{
		{`{"x":["*"]}`, none, presence | publishing | subscribe | presenceSubscribe}, // 983040, as a client without wishes gets
		{`{"x":["*"]}`, admission.AllModes, presence | publishing | subscribe | presenceSubscribe | annotationPublish | annotationSubscribe | objectSubscribe | objectPublish},
		{`{"x":["*"]}`, subscribe, subscribe},
		{`{"x":["*"]}`, subscribe | 1<<5 | 1<<4 | 1, subscribe}, // other flags of ATTACH
		{`{"x":["*"]}`, 1 << 5, presence | publishing | subscribe | presenceSubscribe},
		{`{"x":["subscribe"]}`, none, subscribe | presenceSubscribe},
		{`{"x":["subscribe"]}`, admission.AllModes, subscribe | presenceSubscribe | objectSubscribe},
		{`{"x":["subscribe"]}`, subscribe | publishing, subscribe},
		{`{"x":["publish"]}`, none, publishing},
		{`{"x":["presence"]}`, none, presence},
		{`{"x":["annotation-publish"]}`, annotationPublish, annotationPublish},
		{`{"x":["annotation-subscribe"]}`, annotationSubscribe, annotationSubscribe},
		{`{"x":["object-subscribe"]}`, objectSubscribe, objectSubscribe},
		{`{"x":["object-publish"]}`, objectPublish, objectPublish},
		{`{"x":["publish"],"*":["subscribe"]}`, none, publishing | subscribe | presenceSubscribe},
		// Not permitted.
		{`{"x":["history","channel-metadata","stats"]}`, none, none},
		{`{"x":["annotation-subscribe","annotation-publish"]}`, none, none}, // not among the defaults
		{`{"x":["object-publish"]}`, none, none},
		{`{"x":["publish"]}`, subscribe, none},
		{`{"y":["*"]}`, none, none},
	} {
		w := newWorld(t)
		s := w.connect(w.jwt(token{capability: c.capability}, now), "", now)
		a, err := s.Attach([]byte("x"), c.requested, now)
		if c.want == none {
			require.Equal(t, engine.ErrCapabilityDenied, err, "%+v", c)
			require.Nil(t, a)
			require.Nil(t, s.Attachment([]byte("x")))
			continue
		}
		require.NoError(t, err, "%+v", c)
		require.Equal(t, c.want, a.Modes(), "%+v", c)
		for mode := admission.Mode(1 << 16); mode <= objectPublish; mode <<= 1 {
			require.Equal(t, c.want&mode != 0, s.Delivers(a, mode, now), "%+v, mode %d", c, mode)
		}
	}
}

// Names, as for every operation (the names of SECURITY's list of traps).
func TestNamesThatAttach(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{capability: `{"*":["*"]}`}, now), "", now)
	for name, want := range map[string]error{
		"[?rewind=1]foo": nil, "foo": nil, "[filter=x]foo": nil,
		"[meta?rewind=1]log": engine.ErrCapabilityDenied, "[meta]log": engine.ErrCapabilityDenied,
		"[foo]x": engine.ErrChannel, "[*]x": engine.ErrChannel, "[queue]x": engine.ErrChannel, "[?a]]x": engine.ErrChannel,
		"[meta": engine.ErrChannel, ":x": engine.ErrChannel, "a\nb": engine.ErrChannel, "": engine.ErrChannel,
	} {
		a, err := s.Attach([]byte(name), 0, now)
		require.Equal(t, want, err, "%q", name)
		if err == nil {
			require.Equal(t, "foo", string(a.Resource().Path))
			require.Equal(t, name, string(a.Name()), "errors go to the channel as the client calls it")
		}
	}
}

// One resource is attached once, however it is written.
func TestAttachingAgain(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{capability: `{"foo":["publish","subscribe"]}`}, now), "", now)
	a := w.attach(s, "foo", 0, now)
	require.Same(t, a, w.attach(s, "[?rewind=1]foo", subscribe, now))
	require.Equal(t, subscribe, a.Modes())
	require.Equal(t, subscribe, a.Requested())
	require.Equal(t, "[?rewind=1]foo", string(a.Name()))
	n := 0
	s.Attachments(func(found *admission.Attachment) { n++; require.Same(t, a, found) })
	require.Equal(t, 1, n)
	require.Equal(t, engine.ErrModeNotRequested, publish(s, "foo", now))

	// Refused: the client takes the channel for failed.
	_, err := s.Attach([]byte("foo"), presence, now)
	require.Equal(t, engine.ErrCapabilityDenied, err)
	require.Nil(t, s.Attachment([]byte("foo")))
	require.False(t, s.Delivers(a, subscribe, now))
	require.NoError(t, publish(s, "foo", now), "without an attachment there is no mode")
}

func TestDetach(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.basic(), "", now)
	a := w.attach(s, "foo", 0, now)
	s.Detach([]byte("[meta]foo"))
	s.Detach([]byte("bar"))
	s.Detach([]byte("[bad"))
	require.True(t, s.Delivers(a, subscribe, now))
	s.Detach([]byte("[?x=1]foo"))
	require.False(t, s.Delivers(a, subscribe, now))
	require.Nil(t, s.Attachment([]byte("foo")))
	require.NotSame(t, a, w.attach(s, "foo", 0, now))
	require.False(t, s.Delivers(a, subscribe, now), "the old one stays ended")
}

func TestAttachmentsAreBounded(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.basic(), "", now)
	for i := range admission.MaxAttachments {
		w.attach(s, fmt.Sprint("c", i), 0, now)
	}
	_, err := s.Attach([]byte("one more"), 0, now)
	require.Equal(t, engine.ErrAttachments, err)
	w.attach(s, "c1", subscribe, now)
	s.Detach([]byte("c1"))
	w.attach(s, "one more", 0, now)
}

// An operation needs its mode, once the channel is attached and the capability
// grants it (E 40165).
func TestModesThatWereNotRequested(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{clientID: "ana"}, now), "", now)
	w.attach(s, "x", subscribe|presenceSubscribe, now)
	require.Equal(t, engine.ErrModeNotRequested, publish(s, "x", now))
	require.Equal(t, engine.ErrModeNotRequested, second(s.Annotate([]byte("x"), nil, now)))
	require.Equal(t, engine.ErrModeNotRequested, second(s.Presence([]byte("x"), nil, now)))
	w.attach(s, "x", publishing|presence|annotationPublish, now)
	require.NoError(t, publish(s, "x", now))
	require.NoError(t, second(s.Annotate([]byte("x"), nil, now)))
	require.NoError(t, second(s.Presence([]byte("x"), nil, now)))
	require.NoError(t, publish(s, "y", now), "a transient publish has no mode")
}

// An attachment follows the capability in force without being attached again
// (reauthCapabilityUpgradeAddPublish and its kin).
func TestAttachmentsFollowTheCapability(t *testing.T) {
	w := newWorld(t)
	renew := func(s *admission.Session, capability string) []*admission.Attachment {
		lost, err := s.Reauthenticate(w.jwt(token{clientID: "ana", capability: capability}, now), now)
		require.NoError(t, err)
		return lost
	}
	start := func(capability string, modes admission.Mode) (*admission.Session, *admission.Attachment) {
		s := w.connect(w.jwt(token{clientID: "ana", capability: capability}, now), "", now)
		return s, w.attach(s, "x", modes, now)
	}
	t.Run("upgraded by publish", func(t *testing.T) {
		s, a := start(`{"x":["subscribe"]}`, 0)
		require.Equal(t, engine.ErrCapabilityDenied, publish(s, "x", now))
		require.Empty(t, renew(s, `{"x":["subscribe","publish"]}`))
		require.NoError(t, publish(s, "x", now))
		require.Equal(t, subscribe|presenceSubscribe|publishing, a.Modes())
	})
	t.Run("upgraded, but the mode was not requested", func(t *testing.T) {
		s, _ := start(`{"x":["subscribe"]}`, subscribe)
		require.Equal(t, engine.ErrCapabilityDenied, publish(s, "x", now), "the capability comes first")
		require.Empty(t, renew(s, `{"x":["subscribe","publish"]}`))
		require.Equal(t, engine.ErrModeNotRequested, publish(s, "x", now))
	})
	t.Run("downgraded in part", func(t *testing.T) {
		s, a := start(`{"x":["subscribe","publish","presence"]}`, 0)
		require.Empty(t, renew(s, `{"x":["subscribe"]}`))
		require.Equal(t, engine.ErrCapabilityDenied, publish(s, "x", now))
		require.Equal(t, engine.ErrCapabilityDenied, second(s.Presence([]byte("x"), nil, now)))
		require.True(t, s.Delivers(a, subscribe, now))
		require.Same(t, a, s.Attachment([]byte("x")))
	})
	t.Run("subscribe lost", func(t *testing.T) {
		s, a := start(`{"x":["subscribe","publish"]}`, 0)
		require.Empty(t, renew(s, `{"x":["publish"]}`))
		require.False(t, s.Delivers(a, subscribe, now))
		require.False(t, s.Delivers(a, presenceSubscribe, now))
		require.NoError(t, publish(s, "x", now))
		require.Empty(t, renew(s, `{"x":["subscribe"]}`))
		require.True(t, s.Delivers(a, subscribe, now), "and back")
	})
	t.Run("everything lost", func(t *testing.T) {
		s, a := start(`{"x":["subscribe"],"y":["publish"],"[meta]log":["subscribe"],"keep":["history","publish"]}`, 0)
		w.attach(s, "y", 0, now)
		w.attach(s, "[meta]log", 0, now)
		w.attach(s, "keep", 0, now)
		lost := renew(s, `{"keep":["publish"],"x":["history"],"log":["subscribe"]}`)
		require.Len(t, lost, 3)
		require.Equal(t, []string{"[meta]log", "x", "y"}, []string{string(lost[0].Name()), string(lost[1].Name()), string(lost[2].Name())})
		require.Same(t, a, lost[1])
		require.False(t, s.Delivers(a, subscribe, now))
		require.Nil(t, s.Attachment([]byte("x")))
		require.NotNil(t, s.Attachment([]byte("keep")))
		require.Empty(t, renew(s, ""), "a lost one does not come back by itself")
		require.Nil(t, s.Attachment([]byte("x")))
	})
	t.Run("what was requested is lost, though more is granted", func(t *testing.T) {
		s, _ := start(`{"x":["*"]}`, publishing)
		require.Len(t, renew(s, `{"x":["subscribe"]}`), 1)
	})
}

// Nothing is delivered from the moment of expiry on, before anybody is told.
func TestNothingIsDeliveredAfterExpiry(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{expires: now + 1000}, now), "", now)
	a := w.attach(s, "x", 0, now)
	require.True(t, s.Delivers(a, subscribe, now+999))
	require.False(t, s.Delivers(a, subscribe, now+1000))
	require.False(t, s.Delivers(a, presenceSubscribe, now+1000))
	require.Equal(t, engine.ErrTokenExpired, first(s.Attach([]byte("y"), 0, now+1000)))
}

func TestALiveSessionAllocatesNothing(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{clientID: "ana", capability: `{"chat:*":["*"]}`, more: map[string]any{
		"ably.limits.publish.perAttachment.maxRate.chat:*": 1e9,
	}}, now), "", now)
	a := w.attach(s, "chat:x", 0, now)
	channel := []byte("chat:x")
	at := now
	require.NoError(t, publish(s, "chat:x", at)) // what is made once is made here
	require.Zero(t, testing.AllocsPerRun(100, func() {
		at++
		_, _, err := s.Publish(channel, nil, at)
		_, _, presenceErr := s.Presence(channel, nil, at)
		if err != nil || presenceErr != nil || !s.Delivers(a, subscribe, at) || s.Tick(at).Kind != admission.None || s.Next() == 0 {
			t.Error(err, presenceErr)
		}
	}))
}

func BenchmarkDelivers(b *testing.B) {
	w := newWorld(b)
	s := w.connect(w.jwt(token{clientID: "ana"}, now), "", now)
	a := w.attach(s, "x", 0, now)
	b.ReportAllocs()
	for b.Loop() {
		if !s.Delivers(a, subscribe, now) {
			b.Fatal("refused")
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	w := newWorld(b)
	s := w.connect(w.jwt(token{clientID: "ana", capability: `{"chat:*":["*"]}`}, now), "", now)
	w.attach(s, "chat:x", 0, now)
	channel := []byte("chat:x")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Publish(channel, nil, now); err != nil {
			b.Fatal(err)
		}
	}
}

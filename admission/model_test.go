package admission_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
)

// model is a connection as the rules describe it, without anything clever: it keeps
// the token and judges it anew each time.
type model struct {
	w         *world
	began     who    // who the connection was when it began
	is        who    // who it is
	asked     string // by the query parameter
	token     []byte // in force
	granted   *capability.Set
	requested map[string]admission.Mode // by resource, of what is attached
	// The key was gone, or the end was told, since the token came into force: the
	// Session may then refuse what a fresh look would permit.
	over bool
}

func (m *model) alive(at engine.UnixMilli) bool {
	return m.w.VerifyToken(new(engine.Grant), m.token, at) == nil
}

func (m *model) permits(channel string, op capability.Op) bool {
	for _, rule := range m.granted.Rules() {
		pattern, err := capability.ParseResource([]byte(rule.Resource))
		if err == nil && rule.Ops&op != 0 && pattern.Covers(channelNamed(channel)) {
			return true
		}
	}
	return false
}

// modes returns which of the requested modes are permitted.
func (m *model) modes(channel string, requested admission.Mode) (modes admission.Mode) {
	may := func(op capability.Op) bool { return m.permits(channel, op) }
	if may(capability.Subscribe) {
		modes |= subscribe | presenceSubscribe | objectSubscribe
	}
	if may(capability.Publish) {
		modes |= publishing
	}
	if may(capability.Presence) {
		modes |= presence
	}
	if may(capability.AnnotationPublish) {
		modes |= annotationPublish
	}
	if may(capability.AnnotationSubscribe) {
		modes |= annotationSubscribe
	}
	if may(capability.ObjectSubscribe) {
		modes |= objectSubscribe
	}
	if may(capability.ObjectPublish) {
		modes |= objectPublish
	}
	return modes & requested
}

// operation says how an operation that names a clientId ends while the token lives.
func (m *model) operation(channel string, op capability.Op, mode admission.Mode, named string) error {
	requested, attached := m.requested[channel]
	switch {
	case op == capability.Presence && named == "" && m.is.kind != engine.Identified:
		return engine.ErrPresenceClientID
	case !m.permits(channel, op):
		return engine.ErrCapabilityDenied
	case op == capability.Presence && !attached:
		return engine.ErrNotAttached
	case attached && requested&mode == 0:
		return engine.ErrModeNotRequested
	case m.is.kind == engine.Anonymous && strings.HasPrefix(channel, "identified:"):
		return engine.ErrIdentifiedOnly
	case named == "" || m.is.kind == engine.Wildcard || m.is.kind == engine.Identified && named == m.is.id:
		return nil
	}
	return engine.ErrOperationClientID
}

// next says who a token of that clientId makes the connection, as RTC8a and its
// neighbours have it.
func (m *model) next(clientID string) (who, bool) {
	switch m.is.kind {
	case engine.Identified:
		return m.is, clientID == m.is.id || clientID == "*" && m.asked != ""
	case engine.Wildcard:
		if clientID == "" {
			return anonymous, true
		}
		return m.is, clientID == "*"
	}
	if clientID == "*" && m.began == wildcard {
		return wildcard, true
	}
	return m.is, clientID == ""
}

func (m *model) adopt(text []byte, granted string, is who) (lost []string) {
	set, err := capability.Parse([]byte(granted))
	require.NoError(m.w, err)
	m.token, m.granted, m.is, m.over = text, set, is, false
	for channel, requested := range m.requested {
		if m.modes(channel, requested) == 0 {
			lost = append(lost, channel)
			delete(m.requested, channel)
		}
	}
	return lost
}

// Whatever happens in whatever order, a Session permits and delivers nothing that
// the model, judging from scratch, does not, and nothing less; and it is always the
// client that it was.
func TestASessionIsNeverMoreThanItsToken(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(500) {
		live(t, rand.New(rand.NewPCG(seed, 1)), seen)
	}
	for _, must := range []string{
		"publish permitted", "publish refused", "presence permitted", "delivered", "not delivered", "dead", "lost", "reauthenticated", "reauthentication refused",
		"resumed", "wildcard to anonymous", "anonymous to wildcard", "Disconnect", "Fail", "AskReauth",
	} {
		require.Greater(t, seen[must], 20, "%s hardly ever happened: %v", must, seen)
	}
}

var (
	modelClients      = []string{"", "*", "ana", "ben"}
	modelChannels     = []string{"a", "b", "ns:a", "identified:a"}
	modelCapabilities = []string{
		`{"*":["*"]}`, `{"*":["subscribe"]}`, `{"a":["publish","presence"],"ns:*":["*"]}`, `{"a":["subscribe"],"b":["annotation-publish","object-subscribe"]}`,
		`{"identified:*":["*"],"a":["*"]}`, `{"b":["history"]}`,
	}
	modelModes = []admission.Mode{0, subscribe, publishing, presence | presenceSubscribe, annotationSubscribe | objectSubscribe, admission.AllModes}
)

func live(t *testing.T, r *rand.Rand, seen map[string]int) {
	t.Helper()
	w := newWorld(t)
	at := now
	mint := func() (text []byte, clientID, granted string) {
		clientID, granted = modelClients[r.IntN(4)], modelCapabilities[r.IntN(len(modelCapabilities))]
		life := engine.UnixMilli(1000 + r.IntN(90_000))
		return w.mint(token{clientID: clientID, capability: granted, issued: at, expires: at + life}), clientID, granted
	}
	verify := func(text []byte) (*engine.Grant, bool) {
		g := new(engine.Grant)
		return g, w.VerifyToken(g, text, at) == nil
	}
	identity := func(clientID string) who {
		switch clientID {
		case "":
			return anonymous
		case "*":
			return wildcard
		}
		return who{engine.Identified, clientID}
	}

	m := &model{w: w, requested: map[string]admission.Mode{}}
	text, clientID, granted := mint()
	m.is = identity(clientID)
	if clientID == "*" && r.IntN(2) == 0 || clientID == "ana" && r.IntN(2) == 0 {
		m.asked, m.is = "ana", ana
	}
	m.began = m.is
	m.adopt(text, granted, m.is)
	g, ok := verify(text)
	require.True(t, ok)
	s := w.connect(g, m.asked, at)

	for range 120 {
		at += engine.UnixMilli(r.IntN(2) * r.IntN(4000))
		channel := modelChannels[r.IntN(len(modelChannels))]
		switch r.IntN(12) {
		case 0, 1: // an AUTH frame
			text, clientID, granted := mint()
			g, ok := verify(text)
			if !ok {
				continue // the key is disabled
			}
			next, ok := m.next(clientID)
			lost, err := s.Reauthenticate(g, at)
			if !ok {
				require.Equal(t, engine.ErrClientIDMismatch, err)
				require.Empty(t, lost)
				seen["reauthentication refused"]++
				break
			}
			require.NoError(t, err)
			seen["reauthenticated"]++
			if m.is != next {
				seen[m.is.kind.String()+" to "+next.kind.String()]++
			}
			requireLost(t, m.adopt(text, granted, next), lost)
			seen["lost"] += len(lost)
		case 2: // a new transport
			text, clientID, granted := mint()
			g, ok := verify(text)
			if !ok {
				continue
			}
			peer := admission.Peer{}
			resolved := identity(clientID)
			asked := ""
			if r.IntN(2) == 0 {
				asked = "ana"
				peer.ClientID = []byte(asked)
				if resolved == wildcard {
					resolved = ana
				} else if resolved != ana {
					resolved = who{} // refused; who it would be does not matter
				}
			}
			compatible := resolved == m.is && (asked == "" || clientID == "*" || clientID == asked)
			lost, err := s.Resume(g, peer, at)
			if !compatible {
				require.Equal(t, engine.ErrClientIDMismatch, err)
				break
			}
			require.NoError(t, err)
			seen["resumed"]++
			m.asked = asked
			requireLost(t, m.adopt(text, granted, m.is), lost)
		case 3: // a revocation, which the connection may or may not be told of
			if r.IntN(2) == 0 {
				break
			}
			margin := engine.UnixMilli(r.IntN(2) * 30_001)
			w.Revoke("appId.keyId", engine.Revocation{Target: engine.RevokeClientID, Value: modelClients[1+r.IntN(3)], IssuedBefore: at, AppliesAt: at + margin})
			if r.IntN(2) == 0 {
				s.Review(at)
			}
		case 4: // a change of the key
			switch r.IntN(12) {
			case 0:
				w.configure(func(k *engine.Key) { k.State = engine.Disabled })
			case 1:
				w.configure(func(k *engine.Key) { k.State = engine.Revoked })
			case 2:
				w.configure(func(k *engine.Key) { k.NotAfter = at + engine.UnixMilli(r.IntN(5000)) })
			case 3:
				w.configure(func(k *engine.Key) { k.Name = "appId.gone" })
				m.over = true
				w.configure(func(k *engine.Key) { k.Name = "appId.keyId" })
			default:
				w.configure(func(k *engine.Key) { k.State, k.NotAfter = engine.Active, 0 })
			}
		case 5:
			action := s.Tick(at)
			seen[[...]string{"None", "AskReauth", "Disconnect", "Fail"}[action.Kind]]++
			switch action.Kind {
			case admission.AskReauth:
				require.True(t, m.alive(at), "nobody asks for what is too late")
			case admission.Disconnect, admission.Fail:
				require.True(t, m.over || !m.alive(at), "%v", action.Err)
				m.over = true
			}
		case 6:
			requested := modelModes[r.IntN(len(modelModes))]
			effective := requested
			if effective == 0 {
				effective = admission.DefaultModes
			}
			alive := m.alive(at)
			a, err := s.Attach([]byte(channel), requested, at)
			modes := m.modes(channel, effective)
			var want error
			switch {
			case modes == 0:
				want = engine.ErrCapabilityDenied
			case m.is == anonymous && channel == "identified:a":
				want = engine.ErrIdentifiedOnly
			}
			switch {
			case !alive:
				require.Error(t, err)
			case m.over && err != nil && err != want:
			case want != nil:
				require.Equal(t, want, err)
				delete(m.requested, channel)
			default:
				require.NoError(t, err)
				require.Equal(t, modes, a.Modes())
				m.requested[channel] = effective
			}
		case 7:
			s.Detach([]byte(channel))
			delete(m.requested, channel)
		default:
			m.compare(t, s, channel, modelClients[r.IntN(4)], at, seen)
		}
		requireIdentity(t, m.is, s)
	}
}

// compare asks the Session and the model about one channel.
func (m *model) compare(t *testing.T, s *admission.Session, channel, named string, at engine.UnixMilli, seen map[string]int) {
	t.Helper()
	if named == "*" {
		named = "" // a star is refused everywhere; TestStamping
	}
	var clientID []byte
	if named != "" {
		clientID = []byte(named)
	}
	alive := m.alive(at)
	stamped, _, publishErr := s.Publish([]byte(channel), clientID, at)
	_, _, annotateErr := s.Annotate([]byte(channel), clientID, at)
	member, _, presenceErr := s.Presence([]byte(channel), clientID, at)
	for _, c := range []struct {
		got, want error
		name      string
	}{
		{publishErr, m.operation(channel, capability.Publish, publishing, named), "publish"},
		{annotateErr, m.operation(channel, capability.AnnotationPublish, annotationPublish, named), "annotate"},
		{presenceErr, m.operation(channel, capability.Presence, presence, named), "presence"},
	} {
		switch {
		case !alive:
			require.Error(t, c.got, c.name)
			seen["dead"]++
		case m.over && c.got != nil:
		default:
			require.Equal(t, c.want, c.got, "%s %s as %q", c.name, channel, named)
			seen[c.name+map[bool]string{true: " permitted", false: " refused"}[c.got == nil]]++
		}
	}
	if publishErr == nil && m.is.kind == engine.Identified {
		require.Equal(t, m.is.id, string(stamped))
	}
	if presenceErr == nil {
		require.NotEmpty(t, member)
	}
	a := s.Attachment([]byte(channel))
	_, attached := m.requested[channel]
	require.Equal(t, attached, a != nil)
	for mode := subscribe; mode <= objectSubscribe; mode <<= 1 {
		want := alive && m.modes(channel, m.requested[channel])&mode != 0
		got := s.Delivers(a, mode, at)
		if got || !m.over {
			require.Equal(t, want, got, "%s, mode %d", channel, mode)
		}
		seen[map[bool]string{true: "delivered", false: "not delivered"}[got]]++
	}
}

func requireLost(t *testing.T, want []string, lost []*admission.Attachment) {
	t.Helper()
	var got []string
	for _, a := range lost {
		got = append(got, string(a.Name()))
	}
	require.ElementsMatch(t, want, got)
}

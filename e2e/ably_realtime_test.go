package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scene is what some clients do together; js/realtime has the plays. Every scene is
// played in both formats.
type scene struct {
	name    string
	play    string
	args    object
	slow    bool          // it waits for a clock, and is played beside all others
	timeout time.Duration // 0 means 15 s
	check   func(t *testing.T, did sceneDid)
}

// sceneDid is what was observed.
type sceneDid struct {
	Scene, Format string
	Noted         map[string]json.RawMessage
	States        map[string][]stateChange // of connections, by client
	ChannelStates map[string][]stateChange // by client and channel
	Callbacks     map[string]int           // how often a client has asked for a token
	Failure       string
	Took          int64

	raw   string
	wires map[string][]*tap // of each client, by connection
}

// stateChange is an event of a connection or a channel.
type stateChange struct {
	State            string
	Code, StatusCode int
	ID               string // of the connection
	At               int64  // milliseconds since the scene began
	RetryIn          float64
	Resumed          bool
}

func (s stateChange) String() string {
	if s.Code == 0 {
		return s.State
	}
	return fmt.Sprintf("%s %d/%d", s.State, s.Code, s.StatusCode)
}

// TestAblyRealtime plays every scene with the unmodified SDK: one Node process, many
// scenes at a time, every client behind a proxy that records its wire.
func TestAblyRealtime(t *testing.T) {
	t.Parallel()
	require.DirExists(t, filepath.Join("js", "node_modules", "ably"), "run: npm ci --prefix e2e/js")
	scenes := slices.Concat(
		connectScenes(), failScenes(), identityScenes(), channelScenes(), messageScenes(), presenceScenes(),
		authorizeScenes(), lifetimeScenes(), revocationScenes(), resumeScenes(), faultScenes(),
	)
	s := startStage(t)
	began := time.Now()
	played := playScenes(t, s, scenes)
	t.Logf("%d scenes of the SDK in %s", len(played), time.Since(began).Round(time.Millisecond))
	s.close(t)
	for _, format := range []string{"json", "msgpack"} {
		t.Run(format, func(t *testing.T) {
			for _, c := range scenes {
				t.Run(c.name, func(t *testing.T) {
					did, present := played[c.name+"/"+format]
					require.True(t, present, "it was not played")
					did.wires = s.wiresOf(c.name + "/" + format)
					t.Cleanup(func() {
						if t.Failed() {
							t.Logf("%s\n%s", did.raw, did.transcript())
						}
					})
					require.Empty(t, did.Failure, "it did not come to its end")
					for name, taps := range did.wires {
						for _, w := range taps {
							requireSoundWire(t, name, w)
						}
					}
					c.check(t, did)
				})
			}
		})
	}
	require.Len(t, played, 2*len(scenes))
}

// playScenes has one Node process play all, and does its errands meanwhile.
func playScenes(t *testing.T, s *stage, scenes []scene) map[string]sceneDid {
	t.Helper()
	var jobs []object
	for _, c := range scenes {
		for _, format := range []string{"json", "msgpack"} {
			job := object{"scene": c.name, "play": c.play, "args": c.args, "format": format, "slow": c.slow}
			if c.timeout != 0 {
				job["timeout"] = c.timeout.Milliseconds()
			}
			jobs = append(jobs, job)
		}
	}
	servers := map[string]string{}
	for name, server := range s.servers {
		servers[name] = server.public
	}
	input, err := json.Marshal(object{"stage": object{"url": s.url, "servers": servers, "keys": realtimeKeys}, "scenes": jobs})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join("js", "realtime.mjs"))
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	ended := make(chan error, 1)
	go func() { ended <- cmd.Run() }()
	for err == nil {
		select {
		case errand := <-s.errands:
			errand()
			continue
		case err = <-ended:
		}
		break
	}
	require.NoError(t, err, stderr.String())
	require.Empty(t, stderr.String(), "the SDK complains")
	played := map[string]sceneDid{}
	for line := range strings.Lines(stdout.String()) {
		did := sceneDid{raw: line}
		require.NoError(t, json.Unmarshal([]byte(line), &did), line)
		played[did.Scene+"/"+did.Format] = did
	}
	return played
}

// wiresOf are the recordings of a scene, by client.
func (s *stage) wiresOf(id string) map[string][]*tap {
	wires := map[string][]*tap{}
	for name, p := range s.proxies {
		if client, ours := strings.CutPrefix(name, id+"/"); ours {
			wires[client] = p.connections()
		}
	}
	return wires
}

// transcript is what passed on every wire, to be read when a scene has failed.
func (d sceneDid) transcript() string {
	var b strings.Builder
	for name, taps := range d.wires {
		for i, w := range taps {
			for _, r := range w.requests {
				fmt.Fprintf(&b, "%s[%d] %s %s %d %s\n", name, i, r.method, r.path, r.status, r.code)
			}
			for _, f := range w.frames[:min(len(w.frames), 40)] {
				arrow := "->"
				if f.fromServer {
					arrow = "<-"
				}
				text := f.frame.String()
				fmt.Fprintf(&b, "%s[%d] %s %s %d %.400s\n", name, i, f.at.Format("05.000"), arrow, f.op, text)
			}
			if w.broken != nil {
				fmt.Fprintf(&b, "%s[%d] %v\n", name, i, w.broken)
			}
		}
	}
	return b.String()
}

// into decodes what was noted.
func (d sceneDid) into(t testing.TB, name string, dst any) {
	t.Helper()
	noted, present := d.Noted[name]
	require.True(t, present, "%q was not noted", name)
	require.NoError(t, json.Unmarshal(noted, dst), "%s", noted)
}

// requireNoted requires what was noted, as JSON has it.
func (d sceneDid) requireNoted(t testing.TB, name string, want any) {
	t.Helper()
	text, err := json.Marshal(want)
	require.NoError(t, err)
	noted, present := d.Noted[name]
	require.True(t, present, "%q was not noted", name)
	require.JSONEq(t, string(text), string(noted), name)
}

// requireOK requires that these calls succeeded.
func (d sceneDid) requireOK(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		d.requireNoted(t, name, "ok")
	}
}

// requireRefused requires how a call was refused.
func (d sceneDid) requireRefused(t testing.TB, name string, code, status int) {
	t.Helper()
	require.NotEqual(t, `"ok"`, string(d.Noted[name]), "%s: it was not refused", name)
	var got struct {
		Code, StatusCode int
		Message, Broken  string
	}
	d.into(t, name, &got)
	require.Equal(t, []int{code, status}, []int{got.Code, got.StatusCode}, "%s: %s%s", name, got.Message, got.Broken)
	require.NotEmpty(t, got.Message)
}

// requireStates requires all the states that a client has passed through.
func (d sceneDid) requireStates(t testing.TB, client string, want ...string) {
	t.Helper()
	require.Equal(t, want, statesOf(d.States[client]), "the states of %s", client)
}

func statesOf(changes []stateChange) (states []string) {
	for _, c := range changes {
		states = append(states, c.String())
	}
	return states
}

// requireNever requires that no client has been in that state.
func (d sceneDid) requireNever(t testing.TB, state string) {
	t.Helper()
	for client, changes := range d.States {
		for _, c := range changes {
			require.NotEqual(t, state, c.State, "%s: %v", client, changes)
		}
	}
}

// upgrades are a client's WebSocket connections.
func (d sceneDid) upgrades(client string) (upgraded []*tap) {
	for _, w := range d.wires[client] {
		if w.upgraded {
			upgraded = append(upgraded, w)
		}
	}
	return upgraded
}

// frames are those of an action on all of a client's connections.
func (d sceneDid) frames(client string, side, action int) (frames []tappedFrame) {
	for _, w := range d.upgrades(client) {
		frames = append(frames, w.framesOf(side, action)...)
	}
	return frames
}

func (p *tap) framesOf(side, action int) (frames []tappedFrame) {
	for _, f := range p.frames {
		if f.fromServer == (side == fromServer) && f.op < opClose && f.Action == action {
			frames = append(frames, f)
		}
	}
	return frames
}

// connected is the first CONNECTED of a client.
func (d sceneDid) connected(t testing.TB, client string) frame {
	t.Helper()
	all := d.frames(client, fromServer, actConnected)
	require.NotEmpty(t, all, "no CONNECTED")
	return all[0].frame
}

// told is a message or presence message as the SDK gives it.
type told struct {
	Action, Name           string
	Data                   any
	Encoding               string
	ClientID, ConnectionID string
	ID                     string
	Timestamp              int64
	Extras                 map[string]any
	Serial                 string
}

func (d sceneDid) told(t testing.TB, name string) (all []told) {
	t.Helper()
	d.into(t, name, &all)
	return all
}

func namesOf(messages []told) (names []string) {
	for _, m := range messages {
		names = append(names, m.Name)
	}
	return names
}

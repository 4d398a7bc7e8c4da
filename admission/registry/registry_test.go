package registry_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/admission/registry"
	"portcullis/engine"
)

const (
	secret = "0123456789abcdef0123456789abcdef"
	now    = engine.UnixMilli(1_700_000_000_000)
)

var none registry.Limits

func newVerifier(t testing.TB) *engine.Verifier {
	t.Helper()
	v, err := engine.NewVerifier(engine.Options{Keys: []engine.Key{
		{Name: "app.k1", Secret: secret}, {Name: "app.k2", Secret: secret}, {Name: "other.k1", Secret: secret},
	}})
	require.NoError(t, err)
	return v
}

// jwt returns the Grant of a token, and its Fingerprint.
func jwt(t testing.TB, v *engine.Verifier, keyName string, p engine.TokenParams) (*engine.Grant, registry.Fingerprint) {
	t.Helper()
	s, err := engine.NewSigner(engine.Secret(keyName + ":" + secret))
	require.NoError(t, err)
	p.Issued = now
	token, err := s.AppendJWT(nil, &p)
	require.NoError(t, err)
	g := new(engine.Grant)
	require.NoError(t, v.VerifyToken(g, token, now))
	return g, registry.FingerprintOf(token)
}

func basic(t testing.TB, v *engine.Verifier, keyName string) *engine.Grant {
	t.Helper()
	g := new(engine.Grant)
	require.NoError(t, v.VerifyKey(g, []byte(keyName+":"+secret), now))
	return g
}

func TestMatching(t *testing.T) {
	v := newVerifier(t)
	r := registry.New[string]()
	for name, p := range map[string]engine.TokenParams{
		"ana":          {ClientID: "ana", Capability: `{"x":["*"],"chat:*":["*"]}`},
		"ana in group": {ClientID: "ana", RevocationKey: "group"},
		"ben in group": {ClientID: "ben", RevocationKey: "group", Capability: `{"chat:*":["*"],"x":["*"]}`},
		"anonymous":    {Capability: `{"x:*":["publish"]}`},
		"wildcard":     {ClientID: "*"},
	} {
		g, f := jwt(t, v, "app.k1", p)
		require.NoError(t, r.Add(name, g, f, none))
	}
	g, f := jwt(t, v, "app.k2", engine.TokenParams{ClientID: "ana", RevocationKey: "group"})
	require.NoError(t, r.Add("ana of another key", g, f, none))
	require.NoError(t, r.Add("basic", basic(t, v, "app.k1"), registry.Fingerprint{}, none))

	for _, c := range []struct {
		keyName string
		target  engine.RevocationTarget
		value   string
		want    []string
	}{
		{"app.k1", engine.RevokeClientID, "ana", []string{"ana", "ana in group"}},
		{"app.k1", engine.RevokeClientID, "ben", []string{"ben in group"}},
		{"app.k1", engine.RevokeClientID, "*", []string{"wildcard"}},
		{"app.k1", engine.RevokeClientID, "", nil},
		{"app.k1", engine.RevokeClientID, "group", nil},
		{"app.k1", engine.RevokeRevocationKey, "group", []string{"ana in group", "ben in group"}},
		{"app.k1", engine.RevokeRevocationKey, "", nil},
		{"app.k1", engine.RevokeChannel, "x", []string{"ana", "ben in group"}},
		{"app.k1", engine.RevokeChannel, "chat:*", []string{"ana", "ben in group"}},
		{"app.k1", engine.RevokeChannel, "chat:1", nil}, // letter for letter, no matching
		{"app.k1", engine.RevokeChannel, "x:*", []string{"anonymous"}},
		{"app.k1", engine.RevokeChannel, "*", []string{"ana in group", "wildcard"}}, // inherited from the key
		{"app.k2", engine.RevokeClientID, "ana", []string{"ana of another key"}},
		{"other.k1", engine.RevokeClientID, "ana", nil},
		{"none.k1", engine.RevokeClientID, "ana", nil},
	} {
		got := r.Matching(nil, c.keyName, engine.Revocation{Target: c.target, Value: c.value})
		require.ElementsMatch(t, c.want, got, "%s %d %q", c.keyName, c.target, c.value)
	}
	require.ElementsMatch(t, []string{"ana", "ana in group", "ben in group", "anonymous", "wildcard", "basic"}, r.Key(nil, "app.k1"))
	require.ElementsMatch(t, []string{"first", "ana of another key"}, r.Key([]string{"first"}, "app.k2"), "appended")
	require.Empty(t, r.Key(nil, "app"))
	require.Len(t, r.All(nil), 7)
	require.Equal(t, 7, r.App("app"))
}

func TestLimits(t *testing.T) {
	v := newVerifier(t)
	ana, anaToken := jwt(t, v, "app.k1", engine.TokenParams{ClientID: "ana"})
	ben, benToken := jwt(t, v, "app.k2", engine.TokenParams{ClientID: "ben"})
	limits := registry.Limits{PerApp: 4, PerToken: 2}
	r := registry.New[int]()
	require.NoError(t, r.Add(1, ana, anaToken, limits))
	require.NoError(t, r.Add(2, ana, anaToken, limits))
	require.Equal(t, engine.ErrTokenConnections, r.Add(3, ana, anaToken, limits))
	require.NoError(t, r.Add(3, ben, benToken, limits))
	require.Equal(t, engine.ErrTokenConnections, r.Update(3, ana, anaToken, limits))
	require.Equal(t, 1, r.Token(benToken), "everything stays")
	require.NoError(t, r.Update(1, ana, anaToken, limits), "its own token again")
	require.NoError(t, r.Add(4, basic(t, v, "app.k1"), registry.Fingerprint{}, limits), "keys are not counted one by one")
	require.Equal(t, engine.ErrAppConnections, r.Add(5, basic(t, v, "app.k1"), registry.Fingerprint{}, limits))
	require.NoError(t, r.Add(5, basic(t, v, "other.k1"), registry.Fingerprint{}, limits), "another app")
	require.NoError(t, r.Add(6, ana, anaToken, none), "0 is no limit")
	require.Equal(t, 5, r.App("app"))

	r.Remove(1)
	r.Remove(1)
	r.Remove(77)
	require.Equal(t, 4, r.App("app"))
	require.Equal(t, 2, r.Token(anaToken))
	require.NoError(t, r.Update(1, ana, anaToken, none))
	require.Equal(t, 5, r.Len(), "what is not there is not updated")
}

// A connection is found by its present credential only.
func TestUpdate(t *testing.T) {
	v := newVerifier(t)
	r := registry.New[int]()
	old, oldToken := jwt(t, v, "app.k1", engine.TokenParams{ClientID: "ana", RevocationKey: "old", Capability: `{"x":["*"]}`})
	next, nextToken := jwt(t, v, "app.k1", engine.TokenParams{ClientID: "ana", RevocationKey: "next", Capability: `{"y":["*"]}`})
	require.NoError(t, r.Add(1, old, oldToken, none))
	require.NoError(t, r.Update(1, next, nextToken, none))
	for value, want := range map[string][]int{"old": nil, "next": {1}} {
		require.Equal(t, want, r.Matching(nil, "app.k1", engine.Revocation{Target: engine.RevokeRevocationKey, Value: value}))
	}
	for value, want := range map[string][]int{"x": nil, "y": {1}} {
		require.Equal(t, want, r.Matching(nil, "app.k1", engine.Revocation{Target: engine.RevokeChannel, Value: value}))
	}
	require.Zero(t, r.Token(oldToken))
	require.Equal(t, 1, r.Token(nextToken))
	require.Equal(t, 1, r.App("app"))
}

// What any revocation lists is what a plain list of connections says, and what a
// Grant says of itself, whatever has come and gone.
func TestRandomLives(t *testing.T) {
	v := newVerifier(t)
	random := rand.New(rand.NewPCG(1, 2))
	type credential struct {
		keyName string
		p       engine.TokenParams
		g       *engine.Grant
		f       registry.Fingerprint
	}
	var credentials []credential
	for _, keyName := range []string{"app.k1", "app.k2", "other.k1"} {
		credentials = append(credentials, credential{keyName: keyName, g: basic(t, v, keyName)})
		for _, clientID := range []string{"", "*", "ana", "ben"} {
			for _, revocationKey := range []string{"", "g1"} {
				for _, c := range []string{"", `{"x":["*"]}`, `{"x":["publish"],"y:*":["*"]}`} {
					k := credential{keyName: keyName, p: engine.TokenParams{ClientID: clientID, RevocationKey: revocationKey, Capability: c}}
					k.g, k.f = jwt(t, v, keyName, k.p)
					credentials = append(credentials, k)
				}
			}
		}
	}
	r := registry.New[int]()
	plain := map[int]credential{}
	listed := 0
	for range 2000 {
		c, k := random.IntN(60), credentials[random.IntN(len(credentials))]
		switch random.IntN(4) {
		case 0:
			r.Remove(c)
			delete(plain, c)
		case 1:
			require.NoError(t, r.Update(c, k.g, k.f, none))
			if _, ok := plain[c]; ok {
				plain[c] = k
			}
		default:
			require.NoError(t, r.Add(c, k.g, k.f, none))
			plain[c] = k
		}
		keyName := []string{"app.k1", "app.k2", "other.k1"}[random.IntN(3)]
		revocation := engine.Revocation{Target: engine.RevocationTarget(random.IntN(3)), IssuedBefore: now + 1, AppliesAt: now}
		revocation.Value = [][]string{{"ana", "ben", "*", ""}, {"g1", ""}, {"x", "y:*", "*"}}[revocation.Target][random.IntN(2)]
		// A Verifier of its own says whom the revocation refuses.
		judge := newVerifier(t)
		judge.Revoke(keyName, revocation)
		var want, ofKey []int
		apps := map[string]int{}
		for c, k := range plain {
			if k.keyName == "other.k1" {
				apps["other"]++
			} else {
				apps["app"]++
			}
			if k.keyName == keyName {
				ofKey = append(ofKey, c)
			}
			if k.g.IsToken() {
				s, err := engine.NewSigner(engine.Secret(k.keyName + ":" + secret))
				require.NoError(t, err)
				p := k.p
				p.Issued = now
				token, err := s.AppendJWT(nil, &p)
				require.NoError(t, err)
				if judge.VerifyToken(new(engine.Grant), token, now) == engine.ErrTokenRevoked {
					want = append(want, c)
				}
			}
		}
		got := r.Matching(nil, keyName, revocation)
		require.Equal(t, sorted(want), sorted(got), "%+v of %s", revocation, keyName)
		require.Equal(t, sorted(ofKey), sorted(r.Key(nil, keyName)))
		require.Equal(t, []int{len(plain), apps["app"], apps["other"]}, []int{r.Len(), r.App("app"), r.App("other")})
		listed += len(got)
	}
	require.Greater(t, listed, 2000, "hardly anything ever matches")
	for c := range plain {
		r.Remove(c)
	}
	require.Zero(t, r.Len()+r.App("app")+r.App("other")+len(r.Key(nil, "app.k1"))+r.Token(credentials[1].f))
}

func sorted(s []int) []int {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

func TestConcurrentUse(t *testing.T) {
	v := newVerifier(t)
	r := registry.New[int]()
	g, f := jwt(t, v, "app.k1", engine.TokenParams{ClientID: "ana"})
	limits := registry.Limits{PerApp: 20, PerToken: 20}
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for i := range 500 {
				c := worker*1000 + i
				if r.Add(c, g, f, limits) == nil {
					if n := r.App("app"); n > 20 {
						t.Error("over the limit:", n)
					}
					_ = r.Matching(nil, "app.k1", engine.Revocation{Target: engine.RevokeClientID, Value: "ana"})
					_ = r.Update(c, g, f, limits)
				}
				r.Remove(c)
			}
		})
	}
	wait.Wait()
	require.Zero(t, r.Len())
}

// BenchmarkRegistry measures one connection among 10,000, each with a clientId of
// its own.
func BenchmarkRegistry(b *testing.B) {
	const connections = 10_000
	v := newVerifier(b)
	r := registry.New[int]()
	grants, tokens := make([]*engine.Grant, connections), make([]registry.Fingerprint, connections)
	for i := range connections {
		grants[i], tokens[i] = jwt(b, v, "app.k1", engine.TokenParams{
			ClientID: fmt.Sprint("client", i), RevocationKey: fmt.Sprint("group", i%100),
			Capability: fmt.Sprintf(`{"chat:*":["*"],"user:%d":["*"]}`, i%1000),
		})
		require.NoError(b, r.Add(i, grants[i], tokens[i], none))
	}
	b.Run("add and remove", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i = (i + 1) % connections {
			r.Remove(i)
			if err := r.Add(i, grants[i], tokens[i], none); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("add and remove in parallel", func(b *testing.B) {
		var workers atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			i := int(workers.Add(1)) % connections
			for pb.Next() {
				r.Remove(i)
				_ = r.Add(i, grants[i], tokens[i], none)
			}
		})
	})
	for _, m := range []struct {
		name   string
		target engine.RevocationTarget
		value  string
		want   int
	}{
		{"clientId", engine.RevokeClientID, "client77", 1},
		{"revocationKey", engine.RevokeRevocationKey, "group77", 100},
		{"channel", engine.RevokeChannel, "user:77", 10},
		{"everybody's channel", engine.RevokeChannel, "chat:*", connections},
	} {
		b.Run("match "+m.name, func(b *testing.B) {
			var found []int
			for b.Loop() {
				found = r.Matching(found[:0], "app.k1", engine.Revocation{Target: m.target, Value: m.value})
			}
			require.Len(b, found, m.want)
		})
	}
}

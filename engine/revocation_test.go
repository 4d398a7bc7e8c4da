package engine

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// refused is what revocations mean, said plainly: some pair is in force, and the
// token was issued before its issuedBefore.
func refused(said []revocationPair, issued, now UnixMilli) bool {
	return slices.ContainsFunc(said, func(p revocationPair) bool { return now >= p.appliesAt && issued < p.issuedBefore })
}

// pending is when the first of the pairs that are not in force yet will refuse the
// token, 0 when none of them will.
func pending(said []revocationPair, issued, now UnixMilli) (at UnixMilli) {
	for _, p := range said {
		if issued < p.issuedBefore && now < p.appliesAt && (at == 0 || p.appliesAt < at) {
			at = p.appliesAt
		}
	}
	return at
}

// Every sequence of up to four pairs out of nine, repetitions included: so every
// order of immediate ones, of those with a margin and of duplicates. The verdict
// on every token at every millisecond around the pairs' times is what the plain
// definition says, and a snapshot does not change when another one is made of it.
func TestRevocationsInEveryOrder(t *testing.T) {
	const deepest = 4
	var all []revocationPair
	for _, issuedBefore := range []UnixMilli{100, 103, 106} {
		for _, appliesAt := range []UnixMilli{106, 109, 112} {
			all = append(all, revocationPair{issuedBefore, appliesAt})
		}
	}
	sequences, verdicts := 0, 0
	g := verified{kind: Identified, clientID: []byte("alice")}
	judge := func(s *revocationSet, said []revocationPair) {
		for g.issued = 99; g.issued <= 107; g.issued++ {
			for now := UnixMilli(105); now <= 113; now++ {
				revoked, pendingAt := s.verdict(&g, now)
				if want := refused(said, g.issued, now); revoked != want {
					require.Failf(t, "wrong verdict", "%v: issued %d, now %d: revoked is %t", said, g.issued, now, revoked)
				}
				if want := pending(said, g.issued, now); !revoked && pendingAt != want {
					require.Failf(t, "wrong moment", "%v: issued %d, now %d: pending at %d, want %d", said, g.issued, now, pendingAt, want)
				}
				verdicts++
			}
		}
	}
	var explore func(s *revocationSet, said []revocationPair)
	explore = func(s *revocationSet, said []revocationPair) {
		sequences++
		judge(s, said)
		if len(said) == deepest {
			return
		}
		for _, p := range all {
			explore(s.with(Revocation{RevokeClientID, "alice", p.issuedBefore, p.appliesAt}), append(said, p))
		}
		judge(s, said)
	}
	explore(noRevocations, make([]revocationPair, 0, deepest))
	require.Equal(t, 1+9+81+729+6561, sequences)
	t.Logf("%d sequences, %d verdicts", sequences, verdicts)
}

// Which pairs are kept does not depend on the order, nor on how many come at
// once, and what adds nothing keeps the snapshot: no cached verdict is looked at
// again for it.
func TestRevocationsAreASet(t *testing.T) {
	rs := []Revocation{
		{RevokeClientID, "alice", 1000, 1000},
		{RevokeClientID, "alice", 1500, 31_501}, // later, with a margin
		{RevokeClientID, "alice", 2000, 2000},
		{RevokeClientID, "alice", 900, 1000}, // says nothing that the first does not
		{RevokeRevocationKey, "alice", 1000, 1000},
	}
	var want *revocationSet
	orders := 0
	permute(rs, func(order []Revocation) {
		one, all := noRevocations, noRevocations.with(order...)
		for _, r := range order {
			one = one.with(r)
		}
		if want == nil {
			want = all
			require.Equal(t, 3, want.count, "the first and third for alice, and the revocation key")
		}
		orders++
		require.Equal(t, want, one)
		require.Equal(t, want, all)
		require.Same(t, one, one.with(order...))
	})
	require.Equal(t, 120, orders)
	require.Same(t, noRevocations, noRevocations.with())
}

// permute calls visit with every order of rs.
func permute[T any](rs []T, visit func([]T)) {
	var swap func(n int)
	swap = func(n int) {
		if n == len(rs) {
			visit(rs)
			return
		}
		for i := n; i < len(rs); i++ {
			rs[n], rs[i] = rs[i], rs[n]
			swap(n + 1)
			rs[n], rs[i] = rs[i], rs[n]
		}
	}
	swap(0)
}

// A second reading of a snapshot: one list of everything that was ever said. What
// is forgotten concerned no token that is alive. Every snapshot is judged again at
// the end.
func TestManyRevocationsAgainstAPlainList(t *testing.T) {
	const life = 3000 // of a token, and so how long a pair must be kept
	r := rand.New(rand.NewPCG(7, 1))
	type list map[Revocation]bool
	type moment struct {
		s    *revocationSet
		said list
		now  UnixMilli
	}
	value := func() string { return fmt.Sprint(r.IntN(40)) }
	judge := func(m moment) {
		for range 200 {
			g := verified{kind: Identified, clientID: []byte(value()), hasRevocationKey: true, revocationKey: []byte(value()), issued: m.now - UnixMilli(r.IntN(life))}
			var said []revocationPair
			for r := range m.said {
				if r.Target == RevokeClientID && r.Value == string(g.clientID) || r.Target == RevokeRevocationKey && r.Value == string(g.revocationKey) {
					said = append(said, revocationPair{r.IssuedBefore, r.AppliesAt})
				}
			}
			revoked, pendingAt := m.s.verdict(&g, m.now)
			require.Equal(t, refused(said, g.issued, m.now), revoked)
			if !revoked {
				require.Equal(t, pending(said, g.issued, m.now), pendingAt)
			}
		}
	}
	m := moment{noRevocations, list{}, 10_000}
	var past []moment
	for round := range 1000 {
		m.now += UnixMilli(r.IntN(20))
		if r.IntN(10) == 0 {
			m.s = m.s.without(m.now - life)
		}
		rs := make([]Revocation, r.IntN(5))
		for i := range rs {
			rs[i] = Revocation{RevocationTarget(r.IntN(2)), value(), m.now - UnixMilli(r.IntN(100)), m.now + UnixMilli(r.IntN(2)*500)}
			m.said[rs[i]] = true
		}
		m.s = m.s.with(rs...)
		if round%10 == 0 {
			judge(m)
		}
		kept := 0
		for _, index := range m.s.targets {
			if index != nil {
				for _, values := range index {
					for _, pairs := range values {
						require.NotEmpty(t, pairs)
						kept += len(pairs)
					}
				}
			}
		}
		require.Equal(t, kept, m.s.count)
		if r.IntN(50) == 0 {
			copied := list{}
			for said := range m.said {
				copied[said] = true
			}
			past = append(past, moment{m.s, copied, m.now})
		}
	}
	require.NotEmpty(t, past)
	for _, m := range past {
		judge(m)
	}
	require.Less(t, m.s.without(m.now-life).count, len(m.said)/2, "most of it is forgotten")
	require.Same(t, noRevocations, m.s.without(m.now+1000))
}

// The moment at which a token was issued is the iat of a JWT, in seconds that may
// have a fraction, cut to the millisecond; of an issued token it is in
// milliseconds. A token is revoked when it was issued before issuedBefore and now
// is appliesAt or later.
func TestRevocationIsExactToTheMillisecond(t *testing.T) {
	sealed := newTestVerifier(t, Options{})
	for name, c := range map[string]struct {
		token  string
		issued UnixMilli
	}{
		"whole seconds":                       {claimsOf(`"iat":1700000100,"exp":1700003700`), 1_700_000_100_000},
		"milliseconds":                        {claimsOf(`"iat":1700000100.001,"exp":1700003700`), 1_700_000_100_001},
		"the last millisecond":                {claimsOf(`"iat":1700000100.999,"exp":1700003700`), 1_700_000_100_999},
		"a fraction of a millisecond":         {claimsOf(`"iat":1700000100.0019999,"exp":1700003700`), 1_700_000_100_001},
		"nearly the next second":              {claimsOf(`"iat":1700000100.99999999999999999,"exp":1700003700`), 1_700_000_100_999},
		"with an exponent":                    {claimsOf(`"iat":1.7000001005e9,"exp":1700003700`), 1_700_000_100_500},
		"an issued token":                     {string(issue(t, sealed, with("clientId", "alice"), testNow).Token), testNow},
		"an issued token, milliseconds later": {string(issue(t, sealed, with("clientId", "alice", "timestamp", int64(testNow+7)), testNow+7).Token), testNow + 7},
	} {
		const appliesAt = testNow + 30_001
		for _, cacheBytes := range []int64{0, 1 << 20} {
			v := newTestVerifier(t, Options{CacheBytes: cacheBytes})
			var g Grant
			verify := func(now UnixMilli) error { return v.VerifyToken(&g, []byte(c.token), now) }
			require.NoError(t, verify(appliesAt), name)
			require.Equal(t, c.issued, g.Issued(), name)
			v.WaitCache()

			for _, issuedBefore := range []UnixMilli{c.issued - 1, c.issued} {
				revoke(RevokeClientID, "alice", issuedBefore, appliesAt)(v)
				require.NoError(t, verify(appliesAt), "%s: issued at %d, not before %d", name, c.issued, issuedBefore)
			}
			revoke(RevokeClientID, "alice", c.issued+1, appliesAt)(v)
			for range 2 {
				require.NoError(t, verify(appliesAt-1), "%s: a millisecond before it applies", name)
				require.ErrorIs(t, verify(appliesAt), ErrTokenRevoked, name)
				requireDenies(t, &g)
				require.ErrorIs(t, verify(appliesAt+1), ErrTokenRevoked, name)
			}
		}
	}
}

// A JWT that was minted in the same second as the revocation, after it, is refused
// too: its iat says no more than the second.
func TestARevocationReachesTheRestOfItsSecond(t *testing.T) {
	v := newTestVerifier(t, Options{})
	const revokedAt = testNow + 400
	revoke(RevokeClientID, "alice", revokedAt, revokedAt)(v)
	for minted, want := range map[UnixMilli]error{testNow + 399: ErrTokenRevoked, testNow + 700: ErrTokenRevoked, testNow + 1000: nil} {
		err := v.VerifyToken(new(Grant), mint(t, TokenParams{ClientID: "alice", Issued: minted}), testNow+1000)
		if want == nil {
			require.NoError(t, err, "minted %d", minted)
		} else {
			require.ErrorIs(t, err, want, "minted %d", minted)
		}
	}
}

// claimsOf returns a JWT of alice with those times.
func claimsOf(times string) string {
	return phpForm(phpHeader, `{`+times+`,"x-ably-clientId":"alice"}`, base64.RawURLEncoding)
}

func TestWhatARevocationIsAimedAt(t *testing.T) {
	narrow := Key{Name: "appId.narrow", Secret: testSecret, Capability: set(t, `{"chat:*":["*"],"[meta]log":["subscribe"]}`)}
	tokenOf := func(key string, p TokenParams) []byte {
		s, err := NewSigner(Secret(key + ":" + testSecret))
		require.NoError(t, err)
		p.Issued = testNow
		token, err := s.AppendJWT(nil, &p)
		require.NoError(t, err)
		return token
	}
	tokens := map[string][]byte{
		"nobody":            tokenOf("appId.keyId", TokenParams{}),
		"alice":             tokenOf("appId.keyId", TokenParams{ClientID: "alice"}),
		"alice, in capital": tokenOf("appId.keyId", TokenParams{ClientID: "Alice"}),
		"alice, and more":   tokenOf("appId.keyId", TokenParams{ClientID: "alice:2"}),
		"anybody":           tokenOf("appId.keyId", TokenParams{ClientID: "*"}),
		"group":             tokenOf("appId.keyId", TokenParams{RevocationKey: "alice"}),
		"starred group":     tokenOf("appId.keyId", TokenParams{RevocationKey: "*"}),
		"group of bob":      tokenOf("appId.keyId", TokenParams{ClientID: "bob", RevocationKey: "a:b"}),
		"rooms":             tokenOf("appId.keyId", TokenParams{Capability: `{"chat:*":["publish"],"alice":["publish"]}`}),
		"one room":          tokenOf("appId.keyId", TokenParams{Capability: `{"chat:1":["publish"]}`}),
		"narrow key":        tokenOf("appId.narrow", TokenParams{}),
		"narrowed":          tokenOf("appId.narrow", TokenParams{Capability: `{"*":["publish"]}`}),
		"alice, narrow key": tokenOf("appId.narrow", TokenParams{ClientID: "alice"}),
	}
	for _, c := range []struct {
		key    string
		target RevocationTarget
		value  string
		want   []string
	}{
		{"appId.keyId", RevokeClientID, "alice", []string{"alice"}},
		{"appId.keyId", RevokeClientID, "alice:2", []string{"alice, and more"}},
		{"appId.keyId", RevokeClientID, "*", []string{"anybody"}},
		{"appId.keyId", RevokeClientID, "", nil},
		{"appId.keyId", RevokeClientID, "ali", nil},
		{"appId.keyId", RevokeRevocationKey, "alice", []string{"group"}},
		{"appId.keyId", RevokeRevocationKey, "*", []string{"starred group"}},
		{"appId.keyId", RevokeRevocationKey, "a:b", []string{"group of bob"}},
		{"appId.keyId", RevokeRevocationKey, "bob", nil},
		{"appId.keyId", RevokeRevocationKey, "", nil},
		{"appId.keyId", RevokeChannel, "chat:*", []string{"rooms"}},
		{"appId.keyId", RevokeChannel, "alice", []string{"rooms"}},
		{"appId.keyId", RevokeChannel, "chat:1", []string{"one room"}},
		{"appId.keyId", RevokeChannel, "chat:2", nil},
		// Without a capability of its own a token has the key's, which names "*".
		{"appId.keyId", RevokeChannel, "*", []string{"nobody", "alice", "alice, in capital", "alice, and more", "anybody", "group", "starred group", "group of bob"}},
		{"appId.narrow", RevokeChannel, "*", nil},
		{"appId.narrow", RevokeChannel, "chat:*", []string{"narrow key", "narrowed", "alice, narrow key"}},
		{"appId.narrow", RevokeChannel, "[meta]log", []string{"narrow key", "alice, narrow key"}},
		{"appId.narrow", RevokeChannel, "log", nil},
		{"appId.narrow", RevokeClientID, "alice", []string{"alice, narrow key"}},
		{"appId.nobody", RevokeClientID, "alice", nil},
	} {
		for _, cacheBytes := range []int64{0, 1 << 20} {
			v := newTestVerifier(t, Options{Keys: []Key{testKey(), narrow}, CacheBytes: cacheBytes})
			var g Grant
			for name, token := range tokens {
				require.NoError(t, v.VerifyToken(&g, token, testNow), name)
			}
			v.WaitCache()
			v.Revoke(c.key, Revocation{c.target, c.value, testNow + 1, testNow})
			for name, token := range tokens {
				err := v.VerifyToken(&g, token, testNow)
				if slices.Contains(c.want, name) {
					require.ErrorIs(t, err, ErrTokenRevoked, "%s, after %+v", name, c)
				} else {
					require.NoError(t, err, "%s, after %+v", name, c)
				}
			}
		}
	}
}

// A later revocation that gives a margin takes back nothing, and one without does
// not wait for an earlier one's margin.
func TestAMarginRevivesNothing(t *testing.T) {
	immediate := Revocation{RevokeClientID, "alice", testNow + 1000, testNow + 1000}
	margin := Revocation{RevokeClientID, "alice", testNow + 2000, testNow + 32_001}
	token, newer := mint(t, TokenParams{ClientID: "alice"}), mint(t, TokenParams{ClientID: "alice", Issued: testNow + 1000})
	for _, order := range [][]Revocation{{immediate, margin}, {margin, immediate}, {immediate, margin, immediate, margin}} {
		for _, cacheBytes := range []int64{0, 1 << 20} {
			v := newTestVerifier(t, Options{CacheBytes: cacheBytes})
			var g Grant
			for _, token := range [][]byte{token, newer} {
				require.NoError(t, v.VerifyToken(&g, token, testNow))
			}
			v.WaitCache()
			for _, r := range order {
				v.Revoke("appId.keyId", r)
				_ = v.VerifyToken(&g, token, testNow+999) // so that the cache sees each of them
			}
			require.NoError(t, v.VerifyToken(&g, token, testNow+999))
			for _, now := range []UnixMilli{testNow + 1000, testNow + 2000, testNow + 32_000, testNow + 32_001} {
				require.ErrorIs(t, v.VerifyToken(&g, token, now), ErrTokenRevoked, "%v at %d", order, now)
			}
			require.NoError(t, v.VerifyToken(&g, newer, testNow+32_000))
			require.ErrorIs(t, v.VerifyToken(&g, newer, testNow+32_001), ErrTokenRevoked)
		}
	}
}

// Of several revocations that a cached verdict has met, the first to come into
// force ends it, whatever they are aimed at and whichever was met first.
func TestTheFirstOfSeveralMarginsEndsACachedVerdict(t *testing.T) {
	early, late := testNow+10_000, testNow+30_000
	for _, c := range [][2]UnixMilli{{early, late}, {late, early}} {
		v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
		token := mint(t, TokenParams{ClientID: "alice", RevocationKey: "group"})
		var g Grant
		warm(t, v, &g, token)
		revoke(RevokeClientID, "alice", testNow+1, c[0])(v)
		revoke(RevokeRevocationKey, "group", testNow+1, c[1])(v)
		require.NoError(t, v.VerifyToken(&g, token, early-1))
		require.True(t, g.FromCache())
		require.ErrorIs(t, v.VerifyToken(&g, token, early), ErrTokenRevoked)
	}
	// Two verdicts that meet them at the same time may be noted in any order.
	e := new(cacheEntry)
	for _, at := range []UnixMilli{0, late, early, late, 0} {
		e.awaitAt(at)
	}
	require.EqualValues(t, early, e.pendingAt.Load())
}

func TestRevocationsOutliveTheirKey(t *testing.T) {
	for _, cacheBytes := range []int64{0, 1 << 20} {
		v := newTestVerifier(t, Options{CacheBytes: cacheBytes})
		alice, bob := mint(t, TokenParams{ClientID: "alice"}), mint(t, TokenParams{ClientID: "bob"})
		revoke(RevokeClientID, "alice", testNow+1, testNow)(v)
		replace(t, v)
		revoke(RevokeClientID, "bob", testNow+1, testNow)(v) // while the key is not there
		for _, token := range [][]byte{alice, bob} {
			require.ErrorIs(t, v.VerifyToken(new(Grant), token, testNow), ErrUnknownApp)
		}
		replace(t, v, testKey())
		for _, token := range [][]byte{alice, bob} {
			require.ErrorIs(t, v.VerifyToken(new(Grant), token, testNow), ErrTokenRevoked)
		}
		require.NoError(t, v.VerifyToken(new(Grant), mint(t, TokenParams{ClientID: "carol"}), testNow))
	}
}

func TestForgetRevocations(t *testing.T) {
	v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
	v.Revoke("appId.keyId",
		Revocation{RevokeClientID, "alice", testNow + 1, testNow},
		Revocation{RevokeClientID, "alice", testNow + 2, testNow + 30_001},
		Revocation{RevokeRevocationKey, "group", testNow + 1, testNow + 1})
	v.Revoke("appId.gone", Revocation{RevokeClientID, "alice", testNow + 1, testNow})
	require.Equal(t, 4, v.RevocationCount())
	require.Len(t, v.keys.ledgers, 2)
	present := func() *revocationSet { return v.keys.ledgers["appId.keyId"].revocations.Load() }

	before := present()
	v.ForgetRevocations(testNow)
	require.Equal(t, 4, v.RevocationCount(), "what came into force at that time stays")
	require.Same(t, before, present(), "nothing has changed, so cached verdicts stand")

	v.ForgetRevocations(testNow + 1)
	require.Equal(t, 2, v.RevocationCount())
	require.Len(t, v.keys.ledgers, 1, "of a key that is not there nothing is left")
	token := mint(t, TokenParams{ClientID: "alice", TTL: time.Hour})
	require.NoError(t, v.VerifyToken(new(Grant), token, testNow+30_000))
	require.ErrorIs(t, v.VerifyToken(new(Grant), token, testNow+30_001), ErrTokenRevoked, "the one with the margin is still there")

	v.ForgetRevocations(testNow + 30_001)
	require.Equal(t, 1, v.RevocationCount())
	v.ForgetRevocations(testNow + 30_002)
	require.Zero(t, v.RevocationCount())
	require.Same(t, noRevocations, present())
	require.Len(t, v.keys.ledgers, 1, "the key itself is there")
	require.NoError(t, v.VerifyToken(new(Grant), token, testNow+30_001))
}

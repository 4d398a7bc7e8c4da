package fuzz

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/capability"
	"portcullis/engine"
)

const (
	sequenceBegin  = engine.UnixMilli(1_700_000_000_000)
	sequenceLife   = time.Hour // of the longest token, and how long revocations are kept
	sequenceSecret = "a secret of sequences, long enough"
	maxOperations  = 100
	operationBytes = 4
)

// The operations of a sequence.
const (
	opVerify byte = iota
	opRevoke
	opForget
	opReplace
	opAdvance
	operationCount
)

var sequenceKeys = []string{"appId.first", "appId.second"}

// presented is one token, and what revocations can be aimed at.
type presented struct {
	name, key               string
	text                    []byte
	clientID, revocationKey string
	issued                  engine.UnixMilli
}

// sequenceTokens are JWTs of both keys, and one issued token.
func sequenceTokens(f testing.TB) []presented {
	var tokens []presented
	for _, t := range []struct {
		name string
		key  int
		p    engine.TokenParams
	}{
		{"alice", 0, engine.TokenParams{ClientID: "alice"}},
		{"alice, a second later", 0, engine.TokenParams{ClientID: "alice", Issued: sequenceBegin + 1000}},
		{"alice, a minute ahead", 0, engine.TokenParams{ClientID: "alice", Issued: sequenceBegin + 63_000}},
		{"alice, for ten seconds", 0, engine.TokenParams{ClientID: "alice", TTL: 10 * time.Second}},
		{"anybody", 0, engine.TokenParams{ClientID: "*"}},
		{"bob of the group", 0, engine.TokenParams{ClientID: "bob", RevocationKey: "group"}},
		{"chat", 0, engine.TokenParams{Capability: `{"chat:*":["publish","subscribe"],"room":["*"]}`, RevocationKey: "alice"}},
		{"room", 0, engine.TokenParams{Capability: `{"room":["history"]}`}},
		{"alice of the second key", 1, engine.TokenParams{ClientID: "alice", RevocationKey: "group"}},
		{"nobody of the second key", 1, engine.TokenParams{}},
	} {
		s, err := engine.NewSigner(engine.Secret(sequenceKeys[t.key] + ":" + sequenceSecret))
		require.NoError(f, err)
		if t.p.Issued == 0 {
			t.p.Issued = sequenceBegin
		}
		text, err := s.AppendJWT(nil, &t.p)
		require.NoError(f, err)
		tokens = append(tokens, presented{t.name, sequenceKeys[t.key], text, t.p.ClientID, t.p.RevocationKey, t.p.Issued})
	}
	return append(tokens, presented{"alice, issued", sequenceKeys[0], issueSealed(f), "alice", "", sequenceBegin + 1})
}

type spendsAll struct{}

func (spendsAll) Spend(context.Context, *engine.Nonce) (engine.SpendOutcome, time.Duration) {
	return engine.Fresh, 0
}

func issueSealed(f testing.TB) []byte {
	v := newSequenceVerifier(f, 0)
	s, err := engine.NewSigner(engine.Secret(sequenceKeys[0] + ":" + sequenceSecret))
	require.NoError(f, err)
	text, err := s.AppendTokenRequest(nil, &engine.TokenRequestParams{ClientID: "alice", Timestamp: sequenceBegin + 1})
	require.NoError(f, err)
	var request engine.TokenRequest
	require.NoError(f, engine.ParseTokenRequest(&request, text))
	var g engine.Grant
	require.NoError(f, v.Redeem(context.Background(), &g, &request, spendsAll{}, sequenceBegin+1))
	var d engine.TokenDetails
	require.NoError(f, engine.NewIssuer().Issue(&d, &g))
	return d.Token
}

func newSequenceVerifier(t testing.TB, cacheBytes int64) *engine.Verifier {
	seal, err := engine.NewSealSecret("a sealing secret of sequences, long enough")
	require.NoError(t, err)
	v, err := engine.NewVerifier(engine.Options{Keys: keysOf(0, 0), Seal: []engine.SealSecret{seal}, CacheBytes: cacheBytes})
	require.NoError(t, err)
	return v
}

var chatOnly = func() *capability.Set {
	set, err := capability.Parse([]byte(`{"chat:*":["*"]}`))
	if err != nil {
		panic(err)
	}
	return set
}()

// keyVariants are what a key can be made into.
var keyVariants = []func(k engine.Key) (engine.Key, bool){
	func(k engine.Key) (engine.Key, bool) { return k, true },
	func(k engine.Key) (engine.Key, bool) { return k, false }, // it is not there
	func(k engine.Key) (engine.Key, bool) { k.Secret = "another secret of sequences"; return k, true },
	func(k engine.Key) (engine.Key, bool) { k.Capability = chatOnly; return k, true },
	func(k engine.Key) (engine.Key, bool) { k.State = engine.Disabled; return k, true },
	func(k engine.Key) (engine.Key, bool) { k.State = engine.VerifyOnly; return k, true },
	func(k engine.Key) (engine.Key, bool) { k.NotAfter = sequenceBegin + 5000; return k, true },
	func(k engine.Key) (engine.Key, bool) { k.RevocableTokens = true; return k, true },
}

func keysOf(variants ...byte) (keys []engine.Key) {
	for i, name := range sequenceKeys {
		variant := keyVariants[int(variants[i])%len(keyVariants)]
		if k, there := variant(engine.Key{Name: name, Secret: sequenceSecret}); there {
			keys = append(keys, k)
		}
	}
	return keys
}

var (
	revokedValues = []engine.Revocation{
		{Target: engine.RevokeClientID, Value: "alice"}, {Target: engine.RevokeClientID, Value: "bob"}, {Target: engine.RevokeClientID, Value: "*"},
		{Target: engine.RevokeRevocationKey, Value: "group"}, {Target: engine.RevokeRevocationKey, Value: "alice"},
		{Target: engine.RevokeChannel, Value: "chat:*"}, {Target: engine.RevokeChannel, Value: "room"}, {Target: engine.RevokeChannel, Value: "*"},
	}
	// margins are from a revocation to its appliesAt, steps those of the clock, both
	// in milliseconds.
	margins = []engine.UnixMilli{0, 1, 2, 30_001}
	steps   = []engine.UnixMilli{1, 2, 997, 1000, 29_999, 30_001, 600_000, 3_500_000}
)

// FuzzSequences takes a verifier with a cache and one without through the same
// operations. Their verdicts agree at every step, and with a list of everything
// that was ever revoked.
func FuzzSequences(f *testing.F) {
	tokens := sequenceTokens(f)
	seeds := sequenceSeeds()
	require.Greater(f, len(seeds), 10, "hardly any seeds")
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, operations []byte) { runSequence(t, tokens, operations) })
}

// A cache that nothing comes from would agree with anything.
func TestSequencesMeetTheCache(t *testing.T) {
	tokens, hits := sequenceTokens(t), 0
	for _, s := range sequenceSeeds() {
		hits += runSequence(t, tokens, s)
	}
	require.Greater(t, hits, len(tokens)*len(sequenceSeeds())/2, "of every token at the end of every sequence, and on the way")
}

// runSequence takes new verifiers through operations and returns how many verdicts
// came from the cache.
func runSequence(t *testing.T, tokens []presented, operations []byte) (hits int) {
	s := &sequence{T: t, tokens: tokens, now: sequenceBegin + 3000, variants: []byte{0, 0}, plain: newSequenceVerifier(t, 0)}
	s.cached = &cachedVerifier{Verifier: newSequenceVerifier(t, 64<<10), held: make(map[string]heldVerdict)}
	defer s.cached.Close()
	for range maxOperations {
		if len(operations) < operationBytes {
			break
		}
		s.run([operationBytes]byte(operations))
		operations = operations[operationBytes:]
	}
	for i := range tokens {
		s.verify(i)
	}
	return s.hits
}

// sequence is the two verifiers on their way.
type sequence struct {
	*testing.T
	tokens   []presented
	now      engine.UnixMilli
	variants []byte // of the keys
	plain    *engine.Verifier
	cached   *cachedVerifier
	said     []said
	one, two engine.Grant
	hits     int
}

// said is one revocation of one key.
type said struct {
	key string
	engine.Revocation
}

func (s *sequence) run(o [operationBytes]byte) {
	key := int(o[1]) % len(sequenceKeys)
	switch o[0] % operationCount {
	case opVerify:
		s.verify(int(o[1]) % len(s.tokens))
	case opRevoke:
		r := revokedValues[int(o[2])%len(revokedValues)]
		r.AppliesAt = s.now + margins[int(o[3]>>6)]
		// Around the time at which a token was issued, or now; never later than
		// appliesAt, as the server has it.
		at := int(o[3]&63) / 3
		r.IssuedBefore = s.now
		if at < len(s.tokens) {
			r.IssuedBefore = s.tokens[at].issued
		}
		r.IssuedBefore = min(r.IssuedBefore+engine.UnixMilli(o[3]&63)%3-1, r.AppliesAt)
		s.said = append(s.said, said{sequenceKeys[key], r})
		s.plain.Revoke(sequenceKeys[key], r)
		s.cached.revoke(sequenceKeys[key], r)
	case opForget:
		// What came into force when no token had been issued that is still alive.
		before := s.now.Add(-sequenceLife) - engine.UnixMilli(o[1])
		s.plain.ForgetRevocations(before)
		s.cached.ForgetRevocations(before)
	case opReplace:
		s.variants[key] = o[2]
		require.NoError(s, s.plain.ReplaceKeys(keysOf(s.variants...)))
		require.NoError(s, s.cached.replaceKeys(keysOf(s.variants...)))
	case opAdvance:
		s.now += steps[int(o[1])%len(steps)]
	}
}

// verify holds the verdicts on one token against each other, until the cache has
// taken it in.
func (s *sequence) verify(i int) {
	token := &s.tokens[i]
	want := s.plain.VerifyToken(&s.one, token.text, s.now)
	for range 20 {
		got := s.cached.verify(&s.two, token.text, s.now)
		require.Equal(s, want, got, "%s at %d: without a cache and with one", token.name, s.now)
		require.Equal(s, grantedBy(&s.one), grantedBy(&s.two), token.name)
		if s.two.FromCache() {
			s.hits++
		}
		if got != nil || s.two.FromCache() {
			break
		}
		runtime.Gosched()
	}
	switch byOwn, byChannel := s.refused(token); {
	case want == nil:
		require.False(s, byOwn, "%s is revoked at %d and admitted", token.name, s.now)
	case want == engine.ErrTokenRevoked:
		require.True(s, byOwn || byChannel, "%s is not revoked at %d and refused", token.name, s.now)
	}
}

// refused says whether a revocation by clientId or revocation key refuses the
// token, and whether one by channel would if the token names its resource.
func (s *sequence) refused(token *presented) (byOwn, byChannel bool) {
	for _, r := range s.said {
		if r.key != token.key || token.issued >= r.IssuedBefore || s.now < r.AppliesAt {
			continue
		}
		switch r.Target {
		case engine.RevokeClientID:
			byOwn = byOwn || r.Value == token.clientID
		case engine.RevokeRevocationKey:
			byOwn = byOwn || r.Value == token.revocationKey
		case engine.RevokeChannel:
			byChannel = true
		}
	}
	return byOwn, byChannel
}

// grantedBy is everything that a Grant tells.
func grantedBy(g *engine.Grant) []any {
	return []any{g.KeyName(), g.Identity().Kind, string(g.Identity().ID), g.Issued(), g.Expires(), string(g.AppendCapability(nil)), string(g.RevocationKey()), g.Revocable(), g.IsToken()}
}

// sequenceSeeds are sequences in which a cached verdict has to end, each for
// another reason, and some in which it must not.
func sequenceSeeds() [][]byte {
	const (
		immediate, inAMoment, margin = 0 << 6, 1 << 6, 3 << 6
		now                          = 63 // issuedBefore: the last of what is beyond the tokens
		aTick, aMargin, anHour       = 0, 5, 7
	)
	verify := func(token byte) []byte { return []byte{opVerify, token, 0, 0} }
	revoke := func(key, value, when byte) []byte { return []byte{opRevoke, key, value, when} }
	replace := func(key, variant byte) []byte { return []byte{opReplace, key, variant, 0} }
	advance := func(step byte) []byte { return []byte{opAdvance, step, 0, 0} }
	forget := []byte{opForget, 0, 0, 0}
	seeds := [][]byte{
		slices.Concat(verify(0), revoke(0, 0, immediate|now), verify(0), verify(1), verify(8)),
		slices.Concat(verify(0), revoke(0, 0, margin|now), verify(0), advance(4), verify(0), advance(1), verify(0)),
		slices.Concat(revoke(0, 0, inAMoment|now), verify(0), verify(10), advance(aTick), verify(0), verify(10)),
		slices.Concat(revoke(0, 0, margin|now), verify(0), revoke(0, 0, immediate|now), verify(0), advance(aMargin), verify(0)),
		slices.Concat(revoke(0, 0, immediate|now), revoke(0, 0, margin|now), verify(0), verify(1)),
		slices.Concat(verify(0), revoke(0, 0, immediate|now), advance(3), revoke(0, 0, margin|now), verify(0), verify(1), advance(aMargin), verify(1)),
		slices.Concat(verify(0), revoke(0, 0, margin|now), advance(3), revoke(0, 0, immediate|1), verify(0), verify(1), advance(aMargin), verify(1)),
		slices.Concat(verify(3), advance(aMargin), verify(3)),
		slices.Concat(verify(0), revoke(0, 0, immediate|now), advance(anHour), forget, verify(0), verify(1), advance(6), forget, verify(2)),
		slices.Concat(verify(0), advance(anHour), revoke(0, 0, margin|now), forget, verify(2), advance(aMargin), forget, verify(2)),
		slices.Concat(verify(5), revoke(0, 3, immediate|now), verify(5), verify(8), revoke(1, 3, margin|now), verify(8), advance(aMargin), verify(8)),
		slices.Concat(verify(6), verify(7), revoke(0, 5, margin|now), verify(6), replace(0, 3), verify(6), verify(7), advance(aMargin), verify(6)),
		slices.Concat(verify(4), revoke(0, 2, immediate|now), verify(4), verify(0)),
		slices.Concat(revoke(0, 7, margin|now), verify(0), verify(6), advance(aMargin), verify(0), verify(6)),
		slices.Concat(revoke(1, 0, immediate|now), replace(1, 1), verify(8), replace(1, 0), verify(8)),
	}
	for variant := range keyVariants {
		seeds = append(seeds,
			slices.Concat(verify(0), verify(10), replace(0, byte(variant)), verify(0), verify(10), advance(3), advance(3), verify(0), replace(0, 0), verify(0), verify(10)),
			slices.Concat(verify(0), revoke(0, 0, margin|now), replace(0, byte(variant)), verify(0), replace(0, 0), verify(0), advance(aMargin), verify(0)))
	}
	for around := range byte(36) { // just before, at and just after each token's time
		seeds = append(seeds, slices.Concat(verify(around/3), revoke(0, 0, inAMoment|around), verify(around/3), advance(aTick), verify(around/3)))
	}
	return seeds
}

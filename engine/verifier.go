package engine

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"sync"
	"time"

	"portcullis/capability"
	"portcullis/internal/hs256"
	"portcullis/internal/jsonscan"
)

// Limits on tokens. The times are Ably's.
const (
	MaxTokenBytes          = 8 << 10
	DefaultMaxTTL          = 24 * time.Hour
	DefaultRevocableMaxTTL = time.Hour
	// ClockSkew is how far iat and nbf may be ahead. exp has no leeway.
	ClockSkew = time.Minute
)

// UnknownAblyClaims says what becomes of a token with a claim or header
// parameter that begins with x-ably- and is not known.
type UnknownAblyClaims uint8

// The choices. An unknown claim is most often a misspelt one, and a misspelt
// x-ably-capability would mean the key's full rights, so refusing is the default.
const (
	RefuseUnknown UnknownAblyClaims = iota
	WarnUnknown                     // admit, Grant.HasUnknownClaims is true
	IgnoreUnknown                   // admit
)

// Spelling says how the segments of a JWT may be spelt.
type Spelling uint8

// The spellings.
const (
	StrictSpelling     Spelling = iota // RFC 7515 §2: base64url without padding
	DocumentedSpelling                 // also padded, and in the standard alphabet, as Ably's published PHP sample mints
)

// TokenRules are what is asked of tokens. The zero value follows Ably's limits.
type TokenRules struct {
	MaxTTL            time.Duration // 0 means DefaultMaxTTL
	RevocableMaxTTL   time.Duration // of keys with revocable tokens; 0 means DefaultRevocableMaxTTL
	UnknownAblyClaims UnknownAblyClaims
	Spelling          Spelling
	AllowWeakSecrets  bool // accept secrets that are short or known to everybody
}

// Options are what a Verifier is made from. The zero value knows no key and has
// no cache.
type Options struct {
	Keys   []Key
	Tokens TokenRules
	// Seal are the sealing secrets, newest first: the first seals, all open.
	// Without any, no token can be issued and none of ours verifies.
	Seal       []SealSecret
	CacheBytes int64 // memory for verified tokens; 0 means no cache and no goroutine
}

// Verifier verifies credentials against the present keys. It is safe for
// concurrent use.
type Verifier struct {
	keys    keyStore
	cache   *tokenCache // nil when there is none
	scratch sync.Pool   // of *scratch
	dummy   *hs256.Key  // what an unknown key's signature is computed with
}

// scratch is what one verification works in.
type scratch struct {
	mac     hs256.Scratch
	scanner jsonscan.Scanner
	parser  capability.Parser
	spelt   []byte // a segment in canonical spelling, where another one is allowed
	header  []byte // the decoded JOSE header
	jose    jose
	outer   outer
	carrier outer  // the outer one, while the token that it carries is verified
	claimed []byte // the decoded claims of a JWT that may carry a token
	signed  []byte // the text that a TokenRequest's mac is made of
	sealed  []byte // a decoded opaque token

	additional []byte // what is authenticated with it

	set           capability.Set // of a TokenRequest, and its canonical text
	canonicalText []byte
	claims        claims
	access        accessText
	step          Step // the step that is being taken
}

// NewVerifier returns a Verifier for o, or an error that names what is wrong.
func NewVerifier(o Options) (*Verifier, error) {
	v := &Verifier{
		scratch: sync.Pool{New: func() any { return new(scratch) }},
		dummy:   hs256.NewKey(nil),
	}
	if err := v.keys.replace(o.Keys, o.Tokens, o.Seal); err != nil {
		return nil, err
	}
	switch {
	case o.CacheBytes < 0:
		return nil, errors.New("engine: a cache of less than nothing")
	case o.CacheBytes > 0:
		var err error
		if v.cache, err = newTokenCache(o.CacheBytes, readsCollected); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// Replace makes keys, rules and sealing secrets the present ones, all of it or,
// after an error, nothing. Verdicts that begin after it has returned know only
// the new ones.
func (v *Verifier) Replace(keys []Key, rules TokenRules, seal []SealSecret) error {
	return v.keys.replace(keys, rules, seal)
}

// ReplaceKeys is Replace under the present rules and sealing secrets.
func (v *Verifier) ReplaceKeys(keys []Key) error { return v.keys.replaceKeys(keys) }

// CanOpen says whether there is a sealing secret, so that issued tokens can be
// judged at all.
func (v *Verifier) CanOpen() bool { return len(v.keys.ring.Load().seal) > 0 }

// KeyStatus is what there is to tell about a key.
type KeyStatus struct {
	Name     string
	State    KeyState
	LastUsed UnixMilli // when a credential of the key was last admitted, to the second; 0 means never
	Sandbox  bool
}

// KeyStatuses tells about every key, in no order.
func (v *Verifier) KeyStatuses() []KeyStatus {
	ring := v.keys.ring.Load()
	statuses := make([]KeyStatus, 0, len(ring.keys))
	for name, k := range ring.keys {
		statuses = append(statuses, KeyStatus{name, k.State, UnixMilli(k.ledger.lastUsed.Load()), k.Sandbox})
	}
	return statuses
}

// CachedBytes returns how much memory the cached tokens take.
func (v *Verifier) CachedBytes() int64 {
	if v.cache == nil {
		return 0
	}
	return v.cache.bytes.Load()
}

// Close stops the cache. A closed Verifier still verifies, without one.
func (v *Verifier) Close() {
	if v.cache != nil {
		v.cache.close()
	}
}

// VerifyToken verifies an Ably JWT in compact serialization, a token that an
// Issuer has issued, or another JWT that carries one of them, and puts what it
// grants into dst. After an error, always an *[ErrorInfo], dst denies everything.
// It allocates nothing, unless it adds the token to the cache.
func (v *Verifier) VerifyToken(dst *Grant, token []byte, now UnixMilli) error {
	dst.verified, dst.cacheHit, dst.inner = verified{}, false, dst.inner[:0]
	if len(token) > MaxTokenBytes {
		return ErrTokenTooLong
	}
	known, err := v.cache.recall(dst, token, now)
	if !known {
		s := v.scratch.Get().(*scratch)
		err = v.verifyFresh(dst, s, token, now, v.cache)
		v.scratch.Put(s)
	}
	if err != nil {
		dst.verified = verified{}
		return err
	}
	dst.key.ledger.use(now)
	return nil
}

// verifyFresh verifies a token that is not in the cache, if there is one.
func (v *Verifier) verifyFresh(dst *Grant, s *scratch, token []byte, now UnixMilli, cache *tokenCache) error {
	s.outer = outer{}
	verdict, err := v.verifyUncached(dst, s, token, now)
	switch {
	case s.outer.carries && err == nil:
		return v.verifyCarried(dst, s, now, cache)
	case err == nil && cache != nil:
		cache.put(token, dst, verdict)
	}
	return err
}

// VerifyKey verifies an API key, appId.keyId:secret, and puts what it grants
// into dst. After an error, always an *[ErrorInfo], dst denies everything. It
// allocates nothing, and no cache ever holds a key.
func (v *Verifier) VerifyKey(dst *Grant, key []byte, now UnixMilli) error {
	dst.verified, dst.cacheHit, dst.inner = verified{}, false, dst.inner[:0]
	record, err := v.verifyKey(key, now)
	if err != nil {
		return err
	}
	dst.verified = verified{key: record, kind: Wildcard}
	record.ledger.use(now)
	return nil
}

func (v *Verifier) verifyKey(key []byte, now UnixMilli) (*keyRecord, *ErrorInfo) {
	name, secret, ok := splitKey(key)
	if !ok {
		return nil, ErrMalformedKey
	}
	// Hashing both sides makes the comparison independent of the lengths, and an
	// unknown key costs what a wrong secret costs.
	sum := sha256.Sum256(secret)
	ring := v.keys.ring.Load()
	record := ring.keys[string(name)]
	if record == nil {
		if _, known := ring.apps[string(appOf(name))]; known {
			return nil, ErrUnknownKey
		}
		return nil, ErrKeyAppUnknown
	}
	if subtle.ConstantTimeCompare(sum[:], record.secretHash[:]) != 1 {
		return nil, ErrSecret
	}
	if record.State == VerifyOnly {
		return nil, ErrKeyVerifyOnly
	}
	if err := record.usable(now); err != nil {
		return nil, err
	}
	return record, nil
}

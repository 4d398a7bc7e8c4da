package engine

import (
	"context"
	"crypto/sha256"
	"time"
)

// SpendOutcome is what came of spending something that may be spent once.
type SpendOutcome uint8

// The outcomes. The zero SpendOutcome is Unknown: whoever forgets to decide has
// refused.
const (
	Unknown  SpendOutcome = iota // the store could not tell in time; it may be spent or not
	Fresh                        // it was not spent before, and is now, for good
	Replayed                     // it was spent before
)

// NearExpiry is how far ahead a nonce may expire that is also spent with another
// expiry.
const NearExpiry = 10 * 60_000 // milliseconds

// Nonce is one use of something that may be used once. Whoever spends a Key again
// does so with the same Expires, or both times with one that is at most NearExpiry
// ahead: what is remembered for long is looked for where it must be.
type Nonce struct {
	Key     [16]byte  // what is spent, see NonceKey
	Stamped UnixMilli // when its maker says it was made
	Expires UnixMilli // it must be remembered while the clock shows this time or less
	// When what it was made with (a key, say) came to exist, 0 when that is not
	// known. Nothing can have been spent with it before.
	Since UnixMilli
}

// NonceKey returns what stands for a nonce in a store: the first 16 bytes of
// SHA-256(keyName, 0x00, nonce). The same nonce under two keys is two nonces.
func NonceKey(keyName string, nonce []byte) (key [16]byte) {
	var buffer [256]byte
	text := append(append(append(buffer[:0], keyName...), 0), nonce...)
	sum := sha256.Sum256(text)
	copy(key[:], sum[:])
	return key
}

// Spender spends nonces. Spend says what came of it; of Unknown, also when to
// try again. A Fresh answer is durable: no later Spend of the same key is Fresh
// while the nonce is to be remembered, whatever happens to the process. The
// context bounds how long it may take.
type Spender interface {
	Spend(ctx context.Context, n *Nonce) (SpendOutcome, time.Duration)
}

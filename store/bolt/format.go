package bolt

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"portcullis/engine"
	"portcullis/store"
	"portcullis/store/internal/state"
)

// The file: a bucket "state" with one record; "nonces" with a bucket for each
// minute, whose records are what one transaction spent; "revocations"; a bucket
// for each of store.Buckets, where one that holds nothing may be missing; and
// "totals", what the others must add up to.
// Numbers are big-endian.
const formatVersion = 1

var (
	bucketState       = []byte("state")
	bucketNonces      = []byte("nonces")
	bucketRevocations = []byte("revocations")
	bucketTotals      = []byte("totals")
	keyState          = []byte("state")
)

var errRecord = errors.New("a record is not of this format")

// header is the record of the bucket "state", written by every transaction.
type header struct {
	created   engine.UnixMilli // when the state began
	latest    engine.UnixMilli // the clock when this was written
	forgotten engine.UnixMilli // see state.Nonces
	floor     state.Floor
}

func (h *header) encode() []byte {
	b := []byte{formatVersion}
	for _, t := range []engine.UnixMilli{h.created, h.latest, h.forgotten, h.floor.At} {
		b = binary.BigEndian.AppendUint64(b, uint64(t))
	}
	b = append(b, h.floor.Cause...)
	sum := sha256.Sum256(b)
	return append(b, sum[:16]...)
}

func (h *header) decode(b []byte) error {
	const fixed = 1 + 4*8
	if len(b) > 0 && b[0] != formatVersion {
		return fmt.Errorf("its format is version %d, this program knows version %d", b[0], formatVersion)
	}
	if len(b) < fixed+16 {
		return errRecord
	}
	text, check := b[:len(b)-16], b[len(b)-16:]
	if sum := sha256.Sum256(text); string(sum[:16]) != string(check) {
		return errRecord
	}
	for i, t := range []*engine.UnixMilli{&h.created, &h.latest, &h.forgotten, &h.floor.At} {
		*t = engine.UnixMilli(binary.BigEndian.Uint64(text[1+8*i:]))
	}
	h.floor.Cause = string(text[fixed:])
	return nil
}

// spent is one nonce.
type spent struct {
	key     [16]byte
	expires engine.UnixMilli
}

// nonceBytes is the length of a nonce in a record: its key, and the milliseconds
// into its minute at which it expires.
const nonceBytes = 16 + 2

func appendNonce(b []byte, key [16]byte, offset uint16) []byte {
	return binary.BigEndian.AppendUint16(append(b, key[:]...), offset)
}

// eachNonce reads a record of nonces.
func eachNonce(b []byte, visit func(key [16]byte, offset uint16)) error {
	if len(b) == 0 || len(b)%nonceBytes != 0 {
		return errRecord
	}
	for ; len(b) > 0; b = b[nonceBytes:] {
		visit([16]byte(b), binary.BigEndian.Uint16(b[16:]))
	}
	return nil
}

func minuteName(m state.Minute) []byte { return binary.BigEndian.AppendUint64(nil, uint64(m)) }

func encodeRevocation(e state.Entry) (key, value []byte) {
	value = append(value, byte(e.Target))
	value = binary.BigEndian.AppendUint64(value, uint64(e.IssuedBefore))
	value = binary.BigEndian.AppendUint64(value, uint64(e.AppliesAt))
	value = binary.BigEndian.AppendUint16(value, uint16(len(e.KeyName)))
	value = append(value, e.KeyName...)
	value = append(value, e.Value...)
	sum := sha256.Sum256(value)
	return sum[:16], value
}

func decodeRevocation(b []byte) (e state.Entry, err error) {
	const fixed = 1 + 8 + 8 + 2
	if len(b) < fixed || !engine.RevocationTarget(b[0]).Valid() {
		return e, errRecord
	}
	nameEnd := fixed + int(binary.BigEndian.Uint16(b[17:]))
	if nameEnd > len(b) || nameEnd-fixed > store.MaxNameBytes {
		return e, errRecord
	}
	e.Target = engine.RevocationTarget(b[0])
	e.IssuedBefore = engine.UnixMilli(binary.BigEndian.Uint64(b[1:]))
	e.AppliesAt = engine.UnixMilli(binary.BigEndian.Uint64(b[9:]))
	e.KeyName, e.Value = string(b[fixed:nameEnd]), string(b[nameEnd:])
	return e, nil
}

// total is how many records a bucket has and, modulo 2^128, the sum of the first
// halves of their hashes. The order of writing does not matter to it, and a record
// that goes is subtracted.
type total struct{ count, high, low uint64 }

func (t *total) add(group string, key, value []byte) {
	high, low := hashRecord(group, key, value)
	var carry uint64
	t.low, carry = bits.Add64(t.low, low, 0)
	t.high, _ = bits.Add64(t.high, high, carry)
	t.count++
}

func (t *total) subtract(group string, key, value []byte) {
	high, low := hashRecord(group, key, value)
	var borrow uint64
	t.low, borrow = bits.Sub64(t.low, low, 0)
	t.high, _ = bits.Sub64(t.high, high, borrow)
	t.count--
}

// hashRecord hashes a record and where it stands, so that one cannot take
// another's place.
func hashRecord(group string, key, value []byte) (high, low uint64) {
	b := make([]byte, 0, 512)
	b = binary.BigEndian.AppendUint32(b, uint32(len(group)))
	b = append(b, group...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(key)))
	b = append(append(b, key...), value...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])
}

func (t total) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, t.count)
	b = binary.BigEndian.AppendUint64(b, t.high)
	return binary.BigEndian.AppendUint64(b, t.low)
}

func decodeTotal(b []byte) (total, error) {
	if len(b) != 24 {
		return total{}, errRecord
	}
	return total{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])}, nil
}

func minuteOfName(b []byte) state.Minute { return state.Minute(binary.BigEndian.Uint64(b)) }

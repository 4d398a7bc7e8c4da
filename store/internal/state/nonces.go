package state

import (
	"maps"
	"math"
	"time"

	"portcullis/engine"
)

// Minute is a bucket of nonces: those that expire within one minute since the
// epoch.
type Minute int64

// minuteMilli is the length of a Minute in milliseconds.
const minuteMilli = int64(time.Minute / time.Millisecond)

// MinuteOf returns the bucket of a nonce, and the milliseconds into its minute.
func MinuteOf(expires engine.UnixMilli) (Minute, uint16) {
	m := int64(expires) / minuteMilli
	return Minute(m), uint16(int64(expires) - m*minuteMilli)
}

// Time returns the time that many milliseconds into m.
func (m Minute) Time(offset uint16) engine.UnixMilli {
	return engine.UnixMilli(int64(m)*minuteMilli + int64(offset))
}

// over says whether everything in m has expired at now.
func (m Minute) over(now engine.UnixMilli) bool { return now >= (m + 1).Time(0) }

// Nonces are those that were spent. Expired ones are dropped a minute at a time,
// whole, so that forgetting costs no more than remembering; what has expired in
// a minute that is still there is passed over. It is not safe for concurrent use.
type Nonces struct {
	// The maps hold no pointers, so the garbage collector does not look into them.
	minutes  map[Minute]map[[16]byte]uint16
	count    int
	earliest Minute // no minute before it is there
	dropped  engine.UnixMilli
}

// Len returns how many are remembered.
func (n *Nonces) Len() int { return n.count }

// manyMinutes is from how many minutes on they are not all looked through: refresh
// tokens are remembered for a month.
const manyMinutes = 16

// Has says whether key, which expires then, was spent and is still to be remembered
// at now. The same key with another expiry is found where both are near: see
// engine.Nonce.
func (n *Nonces) Has(key [16]byte, expires, now engine.UnixMilli) bool {
	if len(n.minutes) <= manyMinutes {
		for m := range n.minutes {
			if n.in(m, key, now) {
				return true
			}
		}
		return false
	}
	asked, _ := MinuteOf(expires)
	present, _ := MinuteOf(now)
	for m := present; m <= present+nearMinutes; m++ {
		if n.in(m, key, now) {
			return true
		}
	}
	return n.in(asked, key, now)
}

// nearMinutes is engine.NearExpiry, and the minute that has begun.
const nearMinutes = Minute(engine.NearExpiry/60_000) + 1

func (n *Nonces) in(m Minute, key [16]byte, now engine.UnixMilli) bool {
	offset, ok := n.minutes[m][key]
	return ok && m.Time(offset) >= now
}

// Add remembers a nonce.
func (n *Nonces) Add(key [16]byte, expires engine.UnixMilli) {
	m, offset := MinuteOf(expires)
	keys := n.minutes[m]
	if keys == nil {
		if n.minutes == nil {
			n.minutes = make(map[Minute]map[[16]byte]uint16)
		}
		if len(n.minutes) == 0 || m < n.earliest {
			n.earliest = m
		}
		keys = make(map[[16]byte]uint16)
		n.minutes[m] = keys
	}
	before := len(keys)
	if old, ok := keys[key]; !ok || old < offset {
		keys[key] = offset
	}
	n.count += len(keys) - before
}

// Expire drops the minutes that are over at now, and returns them.
func (n *Nonces) Expire(now engine.UnixMilli) []Minute {
	if len(n.minutes) == 0 || !n.earliest.over(now) {
		return nil
	}
	var gone []Minute
	n.earliest = math.MaxInt64
	for _, m := range sorted(maps.Keys(n.minutes)) {
		if !m.over(now) {
			n.earliest = m
			break
		}
		n.count -= len(n.minutes[m])
		delete(n.minutes, m)
		gone = append(gone, m)
		n.Forget((m + 1).Time(0))
	}
	return gone
}

// Forget notes that what expired before t may have been forgotten. A clock that
// is put back must not bring it to life again.
func (n *Nonces) Forget(t engine.UnixMilli) { n.dropped = max(n.dropped, t) }

// Forgotten returns the time before which nonces may have been forgotten.
func (n *Nonces) Forgotten() engine.UnixMilli { return n.dropped }

// Decidable says whether a nonce that is not there was never spent: one that has
// expired, or that expires where nonces were forgotten, may have been.
func (n *Nonces) Decidable(expires, now engine.UnixMilli) bool {
	return expires >= now && expires >= n.dropped
}

package admission

import (
	"portcullis/capability"
	"portcullis/engine"
)

// pace holds a connection to the publish rates that its token sets, channel by
// channel. It is a token bucket for each, with room for a second's messages, one
// at least. It keeps the buckets of channels that are not attached too, and
// through a re-authentication: neither gives a fresh one.
type pace struct{ buckets map[attachmentKey]*bucket }

// maxBuckets bounds what is kept. A bucket that is full again is not needed; when
// all are in use, another channel has to wait.
const maxBuckets = MaxAttachments

type bucket struct {
	rate    float64 // messages a second
	limited bool    // otherwise the token in force sets no rate here
	level   float64
	at      engine.UnixMilli // when level was right
}

func (b *bucket) room() float64 { return max(b.rate, 1) }

// fill brings the level up to now.
func (b *bucket) fill(now engine.UnixMilli) {
	if now > b.at {
		b.level = min(b.level+b.rate*float64(now-b.at)/1000, b.room())
		b.at = now
	}
}

// take says whether one message may be published on r at now, and counts it.
func (p *pace) take(g *engine.Grant, r capability.Resource, now engine.UnixMilli) bool {
	if !g.HasUserClaims() {
		return true
	}
	b := p.buckets[attachmentKey{r.Qualifier, string(r.Path)}]
	if b == nil {
		rate, limited := g.PublishRate(r)
		if !limited {
			return true
		}
		if b = p.add(r, rate, now); b == nil {
			return false
		}
	}
	if !b.limited {
		return true
	}
	b.fill(now)
	if b.rate == 0 || b.level < 1 {
		return false
	}
	b.level--
	return true
}

// add makes a bucket, nil when there are too many.
func (p *pace) add(r capability.Resource, rate float64, now engine.UnixMilli) *bucket {
	if p.buckets == nil {
		p.buckets = make(map[attachmentKey]*bucket)
	}
	if len(p.buckets) >= maxBuckets {
		for key, b := range p.buckets {
			if b.fill(now); b.level >= b.room() {
				delete(p.buckets, key)
			}
		}
		if len(p.buckets) >= maxBuckets {
			return nil
		}
	}
	b := &bucket{rate: rate, limited: true, at: now}
	b.level = b.room()
	p.buckets[attachmentKey{r.Qualifier, string(r.Path)}] = b
	return b
}

// adopt gives the buckets the rates of another Grant; what was used stays used.
func (p *pace) adopt(g *engine.Grant, now engine.UnixMilli) {
	for key, b := range p.buckets {
		b.fill(now)
		b.rate, b.limited = g.PublishRate(capability.Resource{Qualifier: key.qualifier, Path: []byte(key.path)})
		b.level = min(b.level, b.room())
	}
}

// Package memory is the Fanout of a single node: it delivers in the publisher's
// goroutine and keeps nothing beyond the process. It starts no goroutine. A channel
// that has neither subscribers nor members costs nothing.
package memory

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"portcullis/fanout"
)

// Options are how a Fanout is made.
type Options struct {
	// Epoch is the first part of every serial, so that serials increase over
	// restarts: the time of the start in milliseconds since 1970.
	Epoch uint64
}

// Fanout implements fanout.Fanout.
type Fanout struct {
	epoch uint64
	last  atomic.Uint64 // number of the last serial, of all channels: a channel that was forgotten does not begin anew

	mu       sync.RWMutex // over the map, and taken before a channel's own
	channels map[fanout.Channel]*channel
}

var _ fanout.Fanout = (*Fanout)(nil)

// New returns a Fanout without channels.
func New(o Options) *Fanout {
	return &Fanout{epoch: o.Epoch, channels: make(map[fanout.Channel]*channel)}
}

// channel is one that has subscribers or members.
type channel struct {
	mu          sync.Mutex // held while an event is delivered: this is the channel's order
	forgotten   bool       // no longer in the map: whoever has waited for mu looks again
	subscribers []*subscriber
	members     members
}

// subscriber is one subscription's place in its channel.
type subscriber struct {
	deliver func(*fanout.Event)
	at      int // in subscribers, -1 when it is cancelled
}

// Publish implements fanout.Fanout.
func (f *Fanout) Publish(ctx context.Context, e *fanout.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := f.find(e.Channel)
	if c == nil {
		e.Stamp(f.next())
		return nil
	}
	defer c.mu.Unlock()
	f.deliver(c, e)
	return nil
}

// Present implements fanout.Fanout.
func (f *Fanout) Present(ctx context.Context, e *fanout.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := f.open(e.Channel)
	err := c.members.apply(e)
	if err == nil && len(e.Items) > 0 {
		f.deliver(c, e)
	}
	f.closeIfEmpty(e.Channel, c)
	return err
}

// Subscribe implements fanout.Fanout.
func (f *Fanout) Subscribe(name fanout.Channel, deliver func(*fanout.Event)) (*fanout.Subscription, error) {
	c := f.open(name)
	defer c.mu.Unlock()
	s := &subscriber{deliver: deliver, at: len(c.subscribers)}
	c.subscribers = append(c.subscribers, s)
	return &fanout.Subscription{
		Members: c.members.list(),
		Serial:  f.next(),
		Cancel:  func() { f.cancel(name, c, s) },
	}, nil
}

// Members implements fanout.Fanout.
func (f *Fanout) Members(name fanout.Channel) []fanout.Item {
	c := f.find(name)
	if c == nil {
		return nil
	}
	defer c.mu.Unlock()
	return c.members.list()
}

// next returns a new serial.
func (f *Fanout) next() string {
	var buffer [48]byte
	return string(fanout.AppendSerial(buffer[:0], f.epoch, f.last.Add(1)))
}

// deliver gives e its place in the order of c, which is locked.
func (f *Fanout) deliver(c *channel, e *fanout.Event) {
	e.Stamp(f.next())
	for _, s := range c.subscribers {
		s.deliver(e)
	}
}

// find returns the channel, locked, or nil when it has neither subscribers nor
// members.
func (f *Fanout) find(name fanout.Channel) *channel {
	for {
		f.mu.RLock()
		c := f.channels[name]
		f.mu.RUnlock()
		if c == nil {
			return nil
		}
		if c.mu.Lock(); !c.forgotten {
			return c
		}
		c.mu.Unlock()
	}
}

// open is find that makes the channel where there is none.
func (f *Fanout) open(name fanout.Channel) *channel {
	if c := f.find(name); c != nil {
		return c
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.channels[name]
	if c == nil {
		c = new(channel)
		f.channels[name] = c
	}
	c.mu.Lock() // it is in the map, and stays there while f.mu is held
	return c
}

// closeIfEmpty unlocks c, and forgets it when nobody needs it any more.
func (f *Fanout) closeIfEmpty(name fanout.Channel, c *channel) {
	empty := c.empty()
	c.mu.Unlock()
	if !empty {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.empty() && !c.forgotten {
		c.forgotten = true
		delete(f.channels, name)
	}
}

func (c *channel) empty() bool { return len(c.subscribers) == 0 && len(c.members.items) == 0 }

// cancel ends a subscription. It waits for a delivery that is going on.
func (f *Fanout) cancel(name fanout.Channel, c *channel, s *subscriber) {
	c.mu.Lock()
	if s.at < 0 {
		c.mu.Unlock()
		return
	}
	last := c.subscribers[len(c.subscribers)-1]
	c.subscribers[s.at], last.at = last, s.at
	c.subscribers = slices.Delete(c.subscribers, len(c.subscribers)-1, len(c.subscribers))
	s.at = -1
	f.closeIfEmpty(name, c)
}

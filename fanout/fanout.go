package fanout

import (
	"context"
	"errors"
)

// Channel is an app's channel. Resource is the channel as capabilities write it,
// qualifier and path, so that a channel has one name whatever parameters a client
// attaches it with.
type Channel struct{ App, Resource string }

// Fanout delivers events.
type Fanout interface {
	// Publish stamps e (see [Event.Stamp]) and delivers it to every subscriber of
	// its channel.
	Publish(ctx context.Context, e *Event) error
	// Present applies the items of e to the members of its channel, in their order,
	// then stamps and delivers it. A member is whoever has the same ConnectionID and
	// ClientID; what comes later in the channel's order replaces what came before.
	// Leaves of who is not there are taken out of e, and an event of which nothing is
	// left is not delivered. All items are applied, or none and an error returned.
	Present(ctx context.Context, e *Event) error
	// Subscribe calls deliver with every later event of the channel, one at a time,
	// in the channel's order, until the subscription is cancelled. Every event is
	// either delivered or in the subscription's Members, never neither and never
	// both. deliver must not block and must not call the Fanout.
	Subscribe(c Channel, deliver func(*Event)) (*Subscription, error)
	// Members returns who is present, in no order.
	Members(c Channel) []Item
}

// Subscription is one subscriber of one channel.
type Subscription struct {
	Members []Item // who was present when it began, each with the action Present
	Serial  string // of the last event before it began, or one between that and the first
	Cancel  func() // ends it: deliver is not called once Cancel has returned. It may be called again
}

// Limits on one channel. What they bound is kept for as long as the channel has
// members.
const (
	MaxMembers     = 10_000   // present at once
	MaxMemberBytes = 64 << 20 // of all of them together, see [Item.Bytes]
)

// ErrMembers is why Present changes nothing: there would be more members, or more
// bytes of them, than a channel may have.
var ErrMembers = errors.New("fanout: too many members")

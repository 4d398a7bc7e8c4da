package push

import (
	"cmp"
	"context"
	"slices"

	"portcullis/capability"
	"portcullis/engine"
)

// Subscription is that of a device, or of all devices of a clientId, to the push
// messages of a channel.
type Subscription struct {
	Channel  string
	DeviceID string // "" when it is a clientId's
	ClientID string // "" when it is a device's
}

// parse reads the channel's name. What is authorised is what is kept.
func (s *Subscription) parse() (capability.Resource, error) {
	resource, err := capability.ParseChannel([]byte(s.Channel))
	if err != nil || len(s.Channel) > MaxChannelBytes {
		return capability.Resource{}, engine.ErrChannel
	}
	s.Channel = resource.Qualifier.String() + string(resource.Path)
	return resource, nil
}

// errOneOf is why a request that names a device and a clientId, or neither, is
// refused.
var errOneOf = engine.ErrBadRequest.WithDetail("want either deviceId or clientId")

// Subscribe subscribes a device or a clientId to a channel. push-admin on the channel
// may subscribe any of the app; push-subscribe on it the device that the caller
// proves to be, or the clientId that it speaks for.
func (r *Registry) Subscribe(ctx context.Context, c *Caller, s *Subscription, now engine.UnixMilli) error {
	resource, err := s.parse()
	if err != nil {
		return err
	}
	if (s.DeviceID == "") == (s.ClientID == "") {
		return errOneOf
	}
	if err := c.check(r, now); err != nil {
		return err
	}
	admin := c.may(resource, capability.PushAdmin) == nil
	if !admin {
		if err := c.may(resource, capability.PushSubscribe); err != nil {
			return err
		}
	}
	if s.ClientID != "" {
		return r.subscribeClient(ctx, c, s, admin)
	}
	if c.isNot(s.DeviceID) {
		return engine.ErrDeviceTokenForeign
	}
	unlock, err := r.lock(ctx, recordName(c.app(), kindDevice, s.DeviceID))
	if err != nil {
		return err
	}
	defer unlock()
	d := r.device(c.app(), s.DeviceID)
	switch {
	case !admin:
		if err := c.owns(d, "", now); err != nil {
			return err
		}
	case d == nil:
		return engine.ErrDeviceUnknown
	}
	next := *d
	if next.channels = with(d.channels, s.Channel); len(next.channels) > MaxChannels {
		return engine.ErrPushLimit
	}
	return r.keep(ctx, next.name(), next.encode())
}

func (r *Registry) subscribeClient(ctx context.Context, c *Caller, s *Subscription, admin bool) error {
	switch {
	case c.alone():
		return engine.ErrDeviceTokenForeign
	case !engine.ValidClientID([]byte(s.ClientID)):
		return engine.ErrRequestClientID
	case !admin:
		if err := c.speaksFor(s.ClientID); err != nil {
			return err
		}
	}
	name := recordName(c.app(), kindClient, s.ClientID)
	unlock, err := r.lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	next := client{app: c.app(), id: s.ClientID}
	if old := r.client(c.app(), s.ClientID); old != nil {
		next = *old
	} else if !r.room(c.app()) {
		return engine.ErrPushLimit
	}
	if next.channels = with(next.channels, s.Channel); len(next.channels) > MaxChannels {
		return engine.ErrPushLimit
	}
	return r.keep(ctx, name, next.encode())
}

// Unsubscribe forgets subscriptions: to one channel or, when it is empty, to all; of
// a device, of a clientId or, when both are empty, of everybody. What the caller may
// not administer, and is neither its own device nor its own clientId, is refused.
func (r *Registry) Unsubscribe(ctx context.Context, c *Caller, s *Subscription, now engine.UnixMilli) error {
	switch {
	case s.DeviceID != "" && s.ClientID != "", *s == Subscription{}:
		return errOneOf
	case s.Channel != "":
		if _, err := s.parse(); err != nil {
			return err
		}
	}
	if err := c.mayPush(); err != nil {
		return err
	}
	if err := c.check(r, now); err != nil {
		return err
	}
	if !c.isAdmin() {
		if err := r.ownsSubscriptions(c, s, now); err != nil {
			return err
		}
	}
	gone := func(channel string) bool { return s.Channel == "" || channel == s.Channel }
	devices, clients := r.subscribers(c, s, gone)
	if c.isAdmin() {
		if err := c.administers(devices, clients, gone); err != nil && r.ownsSubscriptions(c, s, now) != nil {
			return err
		}
	}
	if err := each(devices, func(d *device) error {
		return r.change(ctx, d, func(now *device) error {
			next := *now
			next.channels = without(now.channels, gone)
			return r.keep(ctx, next.name(), next.encode())
		})
	}); err != nil {
		return err
	}
	return each(clients, func(old *client) error { return r.unsubscribeClient(ctx, old, gone) })
}

func (r *Registry) unsubscribeClient(ctx context.Context, old *client, gone func(string) bool) error {
	unlock, err := r.lock(ctx, old.name())
	if err != nil {
		return err
	}
	defer unlock()
	now := r.client(old.app, old.id)
	if now == nil {
		return nil
	}
	next := *now
	if next.channels = without(now.channels, gone); len(next.channels) == 0 {
		return r.forget(ctx, next.name())
	}
	return r.keep(ctx, next.name(), next.encode())
}

// ownsSubscriptions says whether the subscriptions that s names are those of the
// caller's own device or of its own clientId.
func (r *Registry) ownsSubscriptions(c *Caller, s *Subscription, now engine.UnixMilli) error {
	switch {
	case s.DeviceID != "" && c.isNot(s.DeviceID):
		return engine.ErrDeviceTokenForeign
	case s.DeviceID != "":
		return c.owns(r.device(c.app(), s.DeviceID), "", now)
	case c.alone():
		return engine.ErrDeviceTokenForeign
	case s.ClientID != "":
		return c.speaksFor(s.ClientID)
	}
	return engine.ErrCapabilityDenied
}

// subscribers returns those whose subscriptions s names and that have one of them.
func (r *Registry) subscribers(c *Caller, s *Subscription, wanted func(channel string) bool) (devices []*device, clients []*client) {
	if s.ClientID == "" {
		devices = r.devices(c.app(), func(d *device) bool {
			return (s.DeviceID == "" || d.ID == s.DeviceID) && slices.ContainsFunc(d.channels, wanted)
		})
	}
	if s.DeviceID == "" {
		for _, cl := range r.clients(c.app()) {
			if (s.ClientID == "" || cl.id == s.ClientID) && slices.ContainsFunc(cl.channels, wanted) {
				clients = append(clients, cl)
			}
		}
	}
	return devices, clients
}

// administers says whether the caller has push-admin on all channels concerned.
func (c *Caller) administers(devices []*device, clients []*client, concerned func(channel string) bool) error {
	check := func(channels []string) error {
		for _, channel := range channels {
			if concerned(channel) && !c.mayAdminister(channel) {
				return engine.ErrCapabilityDenied
			}
		}
		return nil
	}
	for _, d := range devices {
		if err := check(d.channels); err != nil {
			return err
		}
	}
	for _, cl := range clients {
		if err := check(cl.channels); err != nil {
			return err
		}
	}
	return nil
}

func (c *Caller) mayAdminister(channel string) bool {
	resource, err := capability.ParseChannel([]byte(channel))
	return err == nil && c.may(resource, capability.PushAdmin) == nil
}

// Subscriptions returns subscriptions, by channel: of a device, of a clientId, of
// either when both are named, or all; to one channel, or to all when it is empty.
// push-admin is told of the channels that it has it on, others of their own.
func (r *Registry) Subscriptions(c *Caller, s *Subscription, now engine.UnixMilli) (found []Subscription, err error) {
	if s.Channel != "" {
		if _, err := s.parse(); err != nil {
			return nil, err
		}
	}
	if err := c.mayPush(); err != nil {
		return nil, err
	}
	if err := c.check(r, now); err != nil {
		return nil, err
	}
	own := r.ownsSubscriptions(c, s, now)
	if s.DeviceID != "" && s.ClientID != "" {
		own = engine.ErrCapabilityDenied
	}
	if own != nil && !c.isAdmin() {
		return nil, own
	}
	wanted := func(channel string) bool {
		return (s.Channel == "" || channel == s.Channel) && (own == nil || c.mayAdminister(channel))
	}
	add := func(channels []string, of Subscription) {
		for _, channel := range channels {
			if wanted(channel) {
				of.Channel = channel
				found = append(found, of)
			}
		}
	}
	either := s.DeviceID == "" && s.ClientID == ""
	for _, d := range r.devices(c.app(), func(d *device) bool { return either || d.ID == s.DeviceID }) {
		add(d.channels, Subscription{DeviceID: d.ID})
	}
	for _, cl := range r.clients(c.app()) {
		if either || cl.id == s.ClientID {
			add(cl.channels, Subscription{ClientID: cl.id})
		}
	}
	slices.SortFunc(found, func(a, b Subscription) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.DeviceID, b.DeviceID), cmp.Compare(a.ClientID, b.ClientID))
	})
	return found, nil
}

// Channels returns the channels that somebody subscribes to, sorted: those that the
// caller has push-admin on.
func (r *Registry) Channels(c *Caller, now engine.UnixMilli) ([]string, error) {
	if c.alone() {
		return nil, engine.ErrDeviceTokenForeign
	}
	if err := r.admin(c, now); err != nil {
		return nil, err
	}
	all, err := r.Subscriptions(c, &Subscription{}, now)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range all {
		names = append(names, s.Channel)
	}
	return slices.Compact(names), nil
}

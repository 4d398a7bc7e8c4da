package push

import (
	"crypto/subtle"
	"strings"

	"portcullis/capability"
	"portcullis/engine"
)

// Caller is who asks for something, and what proves which device it is. Both are
// verified. It belongs to one goroutine at a time.
type Caller struct {
	Grant    *engine.Grant       // of the credential; nil when a device token stands alone
	Identity engine.Identity     // who the credential's bearer is
	Device   *engine.DeviceGrant // of the device token, beside the credential or alone; nil for none
	Secret   engine.Secret       // the deviceSecret; "" for none

	held      capability.Op // what Grant grants on any channel
	heldKnown bool
}

// app returns the app that the caller belongs to.
func (c *Caller) app() string {
	if c.Grant != nil {
		return appOf(c.Grant.KeyName())
	}
	return appOf(c.Device.KeyName())
}

// alone says whether a device token is all that the caller has.
func (c *Caller) alone() bool { return c.Grant == nil }

// isAdmin says whether the caller may do everything to every device of its app.
// Registrations belong to no channel, so one with push-admin will do.
func (c *Caller) isAdmin() bool { return c.holds(capability.PushAdmin) }

// holds says whether the caller's credential grants op on any channel.
func (c *Caller) holds(op capability.Op) bool {
	if !c.alone() && !c.heldKnown {
		for _, rule := range c.Grant.Capability().Rules() { // may be much work, and is asked often
			if !strings.HasPrefix(rule.Resource, "[queue]") && !strings.HasPrefix(rule.Resource, "[meta]") {
				c.held |= rule.Ops
			}
		}
		c.heldKnown = true
	}
	return c.held&op != 0
}

// mayPush says whether the caller has anything to do with push messages at all.
func (c *Caller) mayPush() error {
	if c.alone() || c.holds(capability.PushAdmin|capability.PushSubscribe) {
		return nil
	}
	return engine.ErrCapabilityDenied
}

// check checks the device token, if there is one: it must be of a registration that
// is still there. A wrong one is refused whatever else the caller has.
func (c *Caller) check(r *Registry, now engine.UnixMilli) error {
	if c.Device == nil {
		return nil
	}
	if appOf(c.Device.KeyName()) != c.app() {
		return engine.ErrDeviceTokenForeign
	}
	return c.isCurrent(r.device(c.app(), string(c.Device.DeviceID())), now)
}

// isCurrent says whether the caller's device token is the present one of d, which
// is nil when there is no such device.
func (c *Caller) isCurrent(d *device, now engine.UnixMilli) error {
	switch {
	case d == nil || c.Device.Generation() != d.generation:
		return engine.ErrDeviceTokenStale
	case d.dies != 0 && now >= d.dies:
		return engine.ErrDeviceTokenRevoked
	}
	return nil
}

// isNot says whether the caller's device token is one of another device.
func (c *Caller) isNot(deviceID string) bool {
	return c.Device != nil && string(c.Device.DeviceID()) != deviceID
}

// proves says whether the caller is the device of that id: d, which is nil when it
// is not registered. secret is a deviceSecret that the request has brought along
// otherwise.
func (c *Caller) proves(d *device, secret engine.Secret, now engine.UnixMilli) error {
	if c.Secret != "" {
		secret = c.Secret
	}
	switch {
	case c.Device != nil:
		return c.isCurrent(d, now) // that it is of this device, isNot has seen
	case secret == "":
		return engine.ErrDeviceProof
	case d == nil || subtle.ConstantTimeCompare(hashOf(secret), d.secretHash) != 1:
		return engine.ErrDeviceSecret
	}
	return nil
}

// speaksFor says whether the caller may act for a clientId, "" being nobody's.
func (c *Caller) speaksFor(clientID string) error {
	if c.alone() || clientID == "" {
		return nil
	}
	_, err := c.Identity.Resolve([]byte(clientID))
	return err
}

// owns says whether the caller, who is no admin, may come back to a device.
func (c *Caller) owns(d *device, secret engine.Secret, now engine.UnixMilli) error {
	if err := c.mayPush(); err != nil {
		return err
	}
	if err := c.proves(d, secret, now); err != nil {
		return err
	}
	return c.speaksFor(d.ClientID)
}

// may says whether the caller may do op, which is push-admin or push-subscribe, on a
// channel.
func (c *Caller) may(r capability.Resource, op capability.Op) error {
	switch {
	case !c.alone():
		return c.Grant.Authorize(r, op)
	case op == capability.PushSubscribe:
		return c.Device.Authorize(r)
	}
	return engine.ErrCapabilityDenied
}

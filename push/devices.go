package push

import (
	"bytes"
	"context"

	"portcullis/engine"
)

// Register registers a device, in place of the registration that it may have. It
// issues a device token, and the one before is good no more.
//
// Who may take the place of a registration: push-admin, and whoever has its
// deviceSecret or its present device token. The new one is for the clientId that the
// caller speaks for; only push-admin may name any.
func (r *Registry) Register(ctx context.Context, c *Caller, change *Change, token *engine.DeviceTokenDetails, now engine.UnixMilli) (Details, error) {
	if c.alone() {
		return Details{}, engine.ErrDeviceTokenForeign
	}
	if err := r.begin(c, change.ID, now); err != nil {
		return Details{}, err
	}
	if err := change.check(true); err != nil {
		return Details{}, err
	}
	r.revoking.RLock()
	defer r.revoking.RUnlock()
	unlock, err := r.lock(ctx, recordName(c.app(), kindDevice, change.ID))
	if err != nil {
		return Details{}, err
	}
	defer unlock()
	d, err := r.register(ctx, c, change, token, now)
	if err != nil {
		return Details{}, err
	}
	return d.Details, nil
}

// begin checks what can be checked of a request about one device before anything is
// locked.
func (r *Registry) begin(c *Caller, deviceID string, now engine.UnixMilli) error {
	if err := c.mayPush(); err != nil {
		return err
	}
	if c.isNot(deviceID) {
		return engine.ErrDeviceTokenForeign
	}
	return c.check(r, now)
}

// register is Register for a caller that holds the locks.
func (r *Registry) register(ctx context.Context, c *Caller, change *Change, token *engine.DeviceTokenDetails, now engine.UnixMilli) (*device, error) {
	old := r.device(c.app(), change.ID)
	next := &device{Details: change.Details, app: c.app(), secretHash: hashOf(change.Secret)}
	if !c.isAdmin() {
		if old != nil {
			if err := c.proves(old, change.Secret, now); err != nil {
				return nil, err
			}
			if next.secretHash == nil {
				next.secretHash = old.secretHash // it is the same device
			}
		}
		var named []byte
		if change.ClientID != "" {
			named = []byte(change.ClientID)
		}
		id, err := c.Identity.Stamp(named)
		if err != nil {
			return nil, err
		}
		next.ClientID = string(id)
	}
	if old != nil && old.ClientID == next.ClientID {
		next.channels = old.channels
	}
	return next, r.put(ctx, c, old, next, token, now)
}

// put keeps a device, as a new generation and with a token of its own, if there is
// room.
func (r *Registry) put(ctx context.Context, c *Caller, old, next *device, token *engine.DeviceTokenDetails, now engine.UnixMilli) error {
	if old == nil && !r.room(next.app) {
		return engine.ErrPushLimit
	}
	if next.ClientID != "" && (old == nil || old.ClientID != next.ClientID) &&
		len(r.devices(next.app, func(d *device) bool { return d.ClientID == next.ClientID })) >= MaxDevicesPerClient {
		return engine.ErrPushLimit
	}
	next.generation, next.dies = newGeneration(), 0
	if err := r.issuer.IssueDevice(token, c.Grant, &engine.Device{ID: []byte(next.ID), ClientID: []byte(next.ClientID), Generation: next.generation}, now); err != nil {
		return err
	}
	next.keyName, next.since, next.bearer, next.revocation = token.KeyName, token.Issued, "", ""
	if c.Grant.IsToken() {
		next.since = min(next.since, c.Grant.Issued())
		next.bearer, next.revocation = string(c.Grant.Identity().AppendClientID(nil)), string(c.Grant.RevocationKey())
	}
	return r.keep(ctx, next.name(), next.encode())
}

// Update changes a registration. A whole change (PUT) registers the device when it
// is not there; one in part (PATCH) is refused then.
//
// The device itself may change its recipient and its deviceSecret, push-admin also
// clientId and metadata. When clientId or deviceSecret change, a device token is
// issued, and the one before is good no more; otherwise token.Token is empty.
func (r *Registry) Update(ctx context.Context, c *Caller, change *Change, whole bool, token *engine.DeviceTokenDetails, now engine.UnixMilli) (d Details, created bool, err error) {
	token.Token = token.Token[:0]
	if err := r.begin(c, change.ID, now); err != nil {
		return Details{}, false, err
	}
	if err := change.check(whole); err != nil {
		return Details{}, false, err
	}
	r.revoking.RLock()
	defer r.revoking.RUnlock()
	unlock, err := r.lock(ctx, recordName(c.app(), kindDevice, change.ID))
	if err != nil {
		return Details{}, false, err
	}
	defer unlock()
	old := r.device(c.app(), change.ID)
	var next *device
	if old == nil && whole && !c.alone() {
		next, err = r.register(ctx, c, change, token, now)
		created = true
	} else {
		next, err = r.update(ctx, c, old, change, whole, token, now)
	}
	if err != nil {
		return Details{}, false, err
	}
	return next.Details, created, nil
}

// update changes old, which is nil when it is not there.
func (r *Registry) update(ctx context.Context, c *Caller, old *device, change *Change, whole bool, token *engine.DeviceTokenDetails, now engine.UnixMilli) (*device, error) {
	admin := c.isAdmin()
	if !admin {
		if err := c.owns(old, change.Secret, now); err != nil {
			return nil, err
		}
	}
	if old == nil {
		return nil, engine.ErrDeviceUnknown
	}
	next := *old
	if change.Platform != "" && change.Platform != old.Platform || change.FormFactor != "" && change.FormFactor != old.FormFactor {
		return nil, engine.ErrBody.WithDetail("platform and formFactor of a device cannot be changed: delete it and register it again")
	}
	if change.Recipient != nil {
		next.Recipient = change.Recipient
	}
	if change.Metadata != nil || admin && whole {
		next.Metadata = change.Metadata
	}
	if change.ClientID != "" || admin && whole {
		next.ClientID = change.ClientID
	}
	if change.Secret != "" {
		next.secretHash = hashOf(change.Secret)
	}
	switch {
	case !admin && next.ClientID != old.ClientID:
		return nil, engine.ErrOperationClientID
	case !admin && !bytes.Equal(next.Metadata, old.Metadata):
		return nil, engine.ErrCapabilityDenied
	case next.ClientID == old.ClientID && bytes.Equal(next.secretHash, old.secretHash):
		return &next, r.keep(ctx, next.name(), next.encode())
	case c.alone(): // there is nobody to issue another token for
		return nil, engine.ErrDeviceTokenForeign
	}
	if next.ClientID != old.ClientID {
		next.channels = nil
	}
	return &next, r.put(ctx, c, old, &next, token, now)
}

// Device returns a registration.
func (r *Registry) Device(c *Caller, id string, now engine.UnixMilli) (Details, error) {
	if c.alone() {
		return Details{}, engine.ErrDeviceTokenForeign
	}
	if err := r.begin(c, id, now); err != nil {
		return Details{}, err
	}
	d := r.device(c.app(), id)
	switch {
	case !c.isAdmin():
		if err := c.owns(d, "", now); err != nil {
			return Details{}, err
		}
	case d == nil:
		return Details{}, engine.ErrDeviceUnknown
	}
	return d.Details, nil
}

// Devices returns the registrations of an app, by their ids: all of them, that of a
// deviceId, or those of a clientId.
func (r *Registry) Devices(c *Caller, deviceID, clientID string, now engine.UnixMilli) ([]Details, error) {
	if c.alone() {
		return nil, engine.ErrDeviceTokenForeign
	}
	if err := r.admin(c, now); err != nil {
		return nil, err
	}
	var all []Details
	for _, d := range r.devices(c.app(), func(d *device) bool {
		return (deviceID == "" || d.ID == deviceID) && (clientID == "" || d.ClientID == clientID)
	}) {
		all = append(all, d.Details)
	}
	return all, nil
}

// admin checks a request that only push-admin may make.
func (r *Registry) admin(c *Caller, now engine.UnixMilli) error {
	if err := c.check(r, now); err != nil {
		return err
	}
	if !c.isAdmin() {
		return engine.ErrCapabilityDenied
	}
	return nil
}

// Remove forgets a registration and its subscriptions; for push-admin there need not
// be one.
func (r *Registry) Remove(ctx context.Context, c *Caller, id string, now engine.UnixMilli) error {
	if err := r.begin(c, id, now); err != nil {
		return err
	}
	name := recordName(c.app(), kindDevice, id)
	unlock, err := r.lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	if !c.isAdmin() {
		if err := c.owns(r.device(c.app(), id), "", now); err != nil {
			return err
		}
	}
	return r.forget(ctx, name)
}

// RemoveClient forgets the registrations of a clientId, for push-admin.
func (r *Registry) RemoveClient(ctx context.Context, c *Caller, clientID string, now engine.UnixMilli) error {
	if c.alone() {
		return engine.ErrDeviceTokenForeign
	}
	if err := r.admin(c, now); err != nil {
		return err
	}
	return each(r.devices(c.app(), func(d *device) bool { return d.ClientID == clientID }), func(d *device) error {
		return r.change(ctx, d, func(now *device) error {
			if now.ClientID != clientID {
				return nil // meanwhile
			}
			return r.forget(ctx, d.name())
		})
	})
}

// change calls do with a device as it is now, if it still is, and locks it
// meanwhile.
func (r *Registry) change(ctx context.Context, d *device, do func(now *device) error) error {
	unlock, err := r.lock(ctx, d.name())
	if err != nil {
		return err
	}
	defer unlock()
	if now := r.device(d.app, d.ID); now != nil {
		return do(now)
	}
	return nil
}

// Revoke ends the device tokens that revocations of a key's tokens concern: by their
// clientId, and by the clientId or the revocation key of the token that they were
// issued on. What is revoked must not live on in them, so they are as old as that.
//
// A revocation is remembered for an hour, which is as long as revocable tokens live; a
// device token lives for years. So its end is kept with its registration, and is when
// Revoke returns nil. The Verifier must know the revocations before: then a
// registration that is under way is either refused or found here.
func (r *Registry) Revoke(ctx context.Context, keyName string, revocations []engine.Revocation) error {
	r.revoking.Lock()
	defer r.revoking.Unlock()
	concerned := func(d *device) bool { return d.keyName == keyName && d.end(revocations) != d.dies }
	return each(r.devices(appOf(keyName), concerned), func(d *device) error {
		return r.change(ctx, d, func(now *device) error {
			next := *now
			next.dies = now.end(revocations)
			return r.keep(ctx, next.name(), next.encode())
		})
	})
}

// end returns when the device token dies once these revocations of its key's tokens
// hold too, 0 when it does not.
func (d *device) end(revocations []engine.Revocation) engine.UnixMilli {
	at := d.dies
	for _, rev := range revocations {
		refused := false
		switch rev.Target {
		case engine.RevokeClientID:
			refused = rev.Value == d.ClientID || rev.Value == d.bearer
		case engine.RevokeRevocationKey:
			refused = rev.Value == d.revocation
		}
		if refused && rev.Value != "" && d.since < rev.IssuedBefore && (at == 0 || rev.AppliesAt < at) {
			at = rev.AppliesAt
		}
	}
	return at
}

// ForgetApp forgets everything that an app has.
func (r *Registry) ForgetApp(ctx context.Context, appID string) error {
	var names []string
	r.mu.RLock()
	for name, at := range r.names {
		if at.app == appID {
			names = append(names, name)
		}
	}
	r.mu.RUnlock()
	return each(names, func(name string) error { return r.forget(ctx, name) })
}

package server

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"portcullis/admission"
	"portcullis/engine"
	"portcullis/push"
)

// asCaller runs one authenticated request about push registrations and counts its
// verdict. What may be done is for package push to say.
func (s *Server) asCaller(ctx *fasthttp.RequestCtx, answer func(within context.Context, w *work, c *push.Caller, now engine.UnixMilli) error) {
	start := time.Now()
	w := s.work.Get().(*work)
	defer s.work.Put(w)
	within, cancel := context.WithTimeout(context.Background(), storeBudget) // not ctx: draining cancels that
	defer cancel()
	now := s.now()
	c, err := s.findCaller(ctx, w, now)
	switch {
	case err != nil:
	case s.devices == nil:
		err = engine.ErrUnavailable
	default:
		err = answer(within, w, c, now)
	}
	refused := s.infoOf(err)
	if refused != nil {
		if refused.Base() == engine.ErrUnavailable {
			s.metrics.storeErrors[storeDevices].Inc()
		}
		s.refuse(ctx, refused)
	}
	s.metrics.decided(surfaceREST, refused, time.Since(start))
}

// findCaller verifies the credential of a request, and the device token that stands
// beside it or in its place. The query's clientId is not the caller's here: it says
// whose registrations are meant.
func (s *Server) findCaller(ctx *fasthttp.RequestCtx, w *work, now engine.UnixMilli) (*push.Caller, error) {
	clientID, ok := decodeBase64(&w.clientID, ctx.Request.Header.Peek(headerClientID))
	if !ok {
		return nil, engine.ErrClientIDHeader
	}
	credential, err := findCredential(ctx, &w.credential)
	if err != nil {
		return nil, err
	}
	device := ctx.Request.Header.Peek(headerDeviceToken)
	if !credential.isKey && engine.IsDeviceToken(credential.text) {
		if len(device) > 0 {
			return nil, engine.ErrAmbiguous
		}
		if err := s.verifier.VerifyDeviceToken(&w.device, credential.text, now); err != nil {
			s.logRefusal(ctx, credential, err)
			return nil, err
		}
		identity, err := w.device.Identity().Resolve(clientID)
		return &push.Caller{Identity: identity, Device: &w.device}, err
	}
	if _, err := s.verifyCredential(ctx, w, &w.grant); err != nil {
		return nil, err
	}
	if err := admission.Admit(&w.session, &w.grant, s.settings.Load().peer(ctx, clientID)); err != nil {
		return nil, err
	}
	c := &push.Caller{Grant: &w.grant, Identity: w.session.Identity(), Secret: engine.Secret(ctx.Request.Header.Peek(headerDeviceSecret))}
	if len(device) > 0 {
		token, err := bearer(&w.header, device) // as it is or, as some SDKs send it, in base64
		if err != nil {
			return nil, engine.ErrDeviceToken
		}
		if err := s.verifier.VerifyDeviceToken(&w.device, token, now); err != nil {
			s.logRefusal(ctx, credentialOf(token), err)
			return nil, err
		}
		c.Device = &w.device
	}
	return c, nil
}

func credentialOf(token []byte) credential { return credential{text: token} }

// deviceRegistrations answers POST, GET and DELETE /push/deviceRegistrations.
func (s *Server) deviceRegistrations(ctx *fasthttp.RequestCtx) {
	s.asCaller(ctx, func(within context.Context, w *work, c *push.Caller, now engine.UnixMilli) error {
		if ctx.IsPost() {
			change, err := readDevice(ctx)
			if err != nil {
				return err
			}
			d, err := s.devices.Register(within, c, change, &w.deviceSays, now)
			if err != nil {
				return err
			}
			writeValue(ctx, fasthttp.StatusCreated, deviceView(&d, &w.deviceSays))
			return nil
		}
		f, err := findFilter(ctx)
		switch {
		case err != nil:
			return err
		case !ctx.IsDelete():
			found, err := s.devices.Devices(c, f.DeviceID, f.ClientID, now)
			if err != nil {
				return err
			}
			return writePageOf(ctx, "deviceRegistrations", found, func(d *push.Details) string { return d.ID }, func(d *push.Details) any { return deviceView(d, nil) })
		case (f.DeviceID == "") == (f.ClientID == ""):
			return engine.ErrBadRequest.WithDetail("want either deviceId or clientId")
		case f.DeviceID != "":
			err = s.devices.Remove(within, c, f.DeviceID, now)
		default:
			err = s.devices.RemoveClient(within, c, f.ClientID, now)
		}
		return writeNothing(ctx, err)
	})
}

// deviceRegistration answers GET, PUT, PATCH and DELETE
// /push/deviceRegistrations/{deviceId}.
func (s *Server) deviceRegistration(ctx *fasthttp.RequestCtx) {
	s.asCaller(ctx, func(within context.Context, w *work, c *push.Caller, now engine.UnixMilli) error {
		id := string(parameter(ctx))
		switch {
		case ctx.IsDelete():
			return writeNothing(ctx, s.devices.Remove(within, c, id, now))
		case ctx.IsGet(), ctx.IsHead():
			d, err := s.devices.Device(c, id, now)
			if err != nil {
				return err
			}
			writeValue(ctx, fasthttp.StatusOK, deviceView(&d, nil))
			return nil
		}
		change, err := readDevice(ctx)
		switch {
		case err != nil:
			return err
		case change.ID != id && (change.ID != "" || ctx.IsPut()):
			return engine.ErrBody.WithDetail("id is not that of the path")
		}
		change.ID = id
		d, created, err := s.devices.Update(within, c, change, ctx.IsPut(), &w.deviceSays, now)
		if err != nil {
			return err
		}
		status := fasthttp.StatusOK
		if created {
			status = fasthttp.StatusCreated
		}
		writeValue(ctx, status, deviceView(&d, &w.deviceSays))
		return nil
	})
}

// channelSubscriptions answers POST, GET and DELETE /push/channelSubscriptions.
func (s *Server) channelSubscriptions(ctx *fasthttp.RequestCtx) {
	s.asCaller(ctx, func(within context.Context, _ *work, c *push.Caller, now engine.UnixMilli) error {
		if ctx.IsPost() {
			subscription, err := readSubscription(ctx)
			if err != nil {
				return err
			}
			if err := s.devices.Subscribe(within, c, subscription, now); err != nil {
				return err
			}
			writeValue(ctx, fasthttp.StatusCreated, subscriptionView(subscription))
			return nil
		}
		f, err := findFilter(ctx)
		switch {
		case err != nil:
			return err
		case ctx.IsDelete():
			return writeNothing(ctx, s.devices.Unsubscribe(within, c, f, now))
		case f.DeviceID != "" && f.ClientID != "" && string(ctx.QueryArgs().Peek("concatFilters")) != "true":
			return engine.ErrBadRequest.WithDetail("deviceId and clientId together need concatFilters=true")
		}
		found, err := s.devices.Subscriptions(c, f, now)
		if err != nil {
			return err
		}
		return writePageOf(ctx, "channelSubscriptions", found, keyOf, subscriptionView)
	})
}

// pushChannels answers GET /push/channels.
func (s *Server) pushChannels(ctx *fasthttp.RequestCtx) {
	s.asCaller(ctx, func(_ context.Context, _ *work, c *push.Caller, now engine.UnixMilli) error {
		found, err := s.devices.Channels(c, now)
		if err != nil {
			return err
		}
		return writePageOf(ctx, "channels", found, func(name *string) string { return *name }, func(name *string) any { return *name })
	})
}

// findFilter reads whose registrations or subscriptions a query means. One that is
// there and empty is refused: it must not mean everybody's.
func findFilter(ctx *fasthttp.RequestCtx) (*push.Subscription, error) {
	f := new(push.Subscription)
	for name, place := range map[string]*string{"channel": &f.Channel, "deviceId": &f.DeviceID, "clientId": &f.ClientID} {
		value, present, err := oneOf(ctx, name)
		switch {
		case err != nil:
			return nil, err
		case present && len(value) == 0:
			return nil, engine.ErrBadRequest.WithDetail("channel, deviceId and clientId must not be empty")
		}
		*place = string(value)
	}
	return f, nil
}

// deviceView is a registration as it is answered, with the device token that was
// issued, if one was. The deviceSecret is never answered.
func deviceView(d *push.Details, token *engine.DeviceTokenDetails) map[string]any {
	view := map[string]any{
		"id": d.ID, "platform": d.Platform, "formFactor": d.FormFactor,
		"push": map[string]any{"recipient": anyOf(d.Recipient), "state": "ACTIVE"},
	}
	if d.ClientID != "" {
		view["clientId"] = d.ClientID
	}
	if d.Metadata != nil {
		view["metadata"] = anyOf(d.Metadata)
	}
	if token != nil && len(token.Token) > 0 {
		says := map[string]any{
			"token": string(token.Token), "keyName": token.KeyName, "issued": int64(token.Issued), "expires": int64(token.Expires),
			"capability": string(token.Capability), "deviceId": string(token.DeviceID),
		}
		if len(token.ClientID) > 0 {
			says["clientId"] = string(token.ClientID)
		}
		view["deviceIdentityToken"] = says
	}
	return view
}

// keyOf is in the order in which subscriptions are listed: no part of it has control
// characters.
func keyOf(s *push.Subscription) string { return s.Channel + "\x00" + s.DeviceID + "\x00" + s.ClientID }

func subscriptionView(s *push.Subscription) any {
	view := map[string]any{"channel": s.Channel}
	if s.DeviceID != "" {
		view["deviceId"] = s.DeviceID
	}
	if s.ClientID != "" {
		view["clientId"] = s.ClientID
	}
	return view
}

func writeNothing(ctx *fasthttp.RequestCtx, err error) error {
	if err == nil {
		ctx.SetStatusCode(fasthttp.StatusNoContent)
	}
	return err
}

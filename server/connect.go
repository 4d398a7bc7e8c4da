package server

import (
	"bytes"
	"encoding/base64"
	"time"

	"github.com/valyala/fasthttp"

	"portcullis/admission"
	"portcullis/admission/registry"
	"portcullis/engine"
	"portcullis/server/realtime"
	"portcullis/server/realtime/frame"
)

// connect answers GET / with Upgrade: a realtime connection (RTN1). Whatever
// becomes of the credential, the upgrade succeeds, and a refusal is told in a
// frame: SDKs take a failed upgrade for trouble with the network, and try again.
func (s *Server) connect(ctx *fasthttp.RequestCtx) {
	if !realtime.Upgradable(ctx) {
		s.refuse(ctx, engine.ErrNotFound)
		return
	}
	if !isHandshake(&ctx.Request.Header) {
		s.refuse(ctx, engine.ErrBadRequest)
		ctx.Response.Header.Set("Sec-WebSocket-Version", webSocketVersion) // RFC 6455 §4.2.2
		return
	}
	start := time.Now()
	w := s.work.Get().(*work)
	o := new(realtime.Opening)
	o.Refused = s.infoOf(s.judgeOpening(ctx, w, o))
	s.work.Put(w)
	s.metrics.decided(surfaceRealtime, o.Refused, time.Since(start))
	s.hub.Accept(ctx, o)
}

const webSocketVersion = "13"

// isHandshake says whether a request that asks for a WebSocket is a proper one
// (RFC 6455 §4.2.1).
func isHandshake(h *fasthttp.RequestHeader) bool {
	key, err := base64.StdEncoding.DecodeString(string(h.Peek("Sec-WebSocket-Key")))
	return err == nil && len(key) == 16 && string(h.Peek("Sec-WebSocket-Version")) == webSocketVersion
}

// judgeOpening takes every step from the request for a connection to the verdict.
// o gets what the hub needs, in memory of its own: the request is gone when the
// connection begins.
func (s *Server) judgeOpening(ctx *fasthttp.RequestCtx, w *work, o *realtime.Opening) error {
	clientType, err := readOpening(ctx, o)
	if err != nil {
		return err
	}
	clientID, err := findClientID(ctx, &w.clientID)
	if err != nil {
		return err
	}
	c, err := s.verifyCredential(ctx, w, &w.grant)
	if err != nil {
		return err
	}
	if !c.isKey {
		o.Token = registry.FingerprintOf(c.text)
	}
	peer := s.settings.Load().peer(ctx, clientID)
	peer.ClientType = clientType
	if err := admission.Admit(&w.session, &w.grant, peer); err != nil {
		return err
	}
	o.Grant = w.grant.Clone()
	o.Peer = peer
	o.Peer.ClientID, o.Peer.Origin = bytes.Clone(peer.ClientID), bytes.Clone(peer.Origin)
	return nil
}

// readOpening reads the parameters of a connection (RTN2).
func readOpening(ctx *fasthttp.RequestCtx, o *realtime.Opening) (engine.ClientType, error) {
	values := make(map[string]string)
	for _, name := range []string{"format", "echo", "heartbeats", "resume", "recover", "clientType"} {
		value, _, err := oneOf(ctx, name)
		if err != nil {
			return 0, err
		}
		values[name] = string(value)
	}
	if values["format"] == "msgpack" {
		o.Format = frame.Msgpack
	}
	o.NoEcho, o.Heartbeats = values["echo"] == "false", values["heartbeats"] != "false"
	if o.Resume = values["resume"]; o.Resume == "" {
		o.Resume = values["recover"]
	}
	switch values["clientType"] {
	case "server":
		return engine.ServerClient, nil
	case "device":
		return engine.DeviceClient, nil
	}
	return engine.NoClientType, nil
}

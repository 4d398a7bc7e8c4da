package server

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"time"

	"github.com/segmentio/encoding/json"
	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
)

// work is what one request works in.
type work struct {
	grant      engine.Grant
	issued     engine.Grant // what a TokenRequest is redeemed into
	request    engine.TokenRequest
	details    engine.TokenDetails
	device     engine.DeviceGrant        // of a device token
	deviceSays engine.DeviceTokenDetails // what a device token is issued into
	header     []byte                    // a device token, decoded from its header
	session    admission.Session
	credential []byte // decoded from a header
	clientID   []byte // decoded from a header
	text       []byte
	body       []byte
	answer     admitted
}

// admitted is the body of a positive verdict.
type admitted struct {
	Admitted   bool   `json:"admitted"`
	KeyName    string `json:"keyName"`
	ClientID   string `json:"clientId,omitempty"` // "*" for any; left out when anonymous
	Capability string `json:"capability"`         // canonical JSON text, as in Ably's TokenDetails
	Issued     int64  `json:"issued,omitempty"`   // milliseconds; left out for an API key
	Expires    int64  `json:"expires,omitempty"`
}

// admit answers GET and POST /v1/admit.
func (s *Server) admit(ctx *fasthttp.RequestCtx) {
	start := time.Now()
	w := s.work.Get().(*work)
	refused := s.infoOf(s.decide(ctx, w))
	if refused != nil {
		s.refuse(ctx, refused)
	} else {
		s.writeAdmitted(ctx, w)
	}
	s.metrics.decided(surfaceAdmit, refused, time.Since(start))
	s.work.Put(w)
}

// decide takes every step from the request to the verdict.
func (s *Server) decide(ctx *fasthttp.RequestCtx, w *work) error {
	channel, op, err := findOperation(ctx)
	if err != nil {
		return err
	}
	if err := s.authenticate(ctx, w); err != nil {
		return err
	}
	if op != 0 {
		return w.session.Authorize(channel, op)
	}
	return nil
}

// authenticate admits the sender of a request into w's session.
func (s *Server) authenticate(ctx *fasthttp.RequestCtx, w *work) error {
	clientID, err := findClientID(ctx, &w.clientID)
	if err != nil {
		return err
	}
	if _, err := s.verifyCredential(ctx, w, &w.grant); err != nil {
		return err
	}
	return admission.Admit(&w.session, &w.grant, s.settings.Load().peer(ctx, clientID))
}

// verifyCredential verifies the credential of a request into g, and returns the
// one that decides: of an embedded token, the inner one.
func (s *Server) verifyCredential(ctx *fasthttp.RequestCtx, w *work, g *engine.Grant) (credential, error) {
	c, err := findCredential(ctx, &w.credential)
	if err != nil {
		return c, err
	}
	switch {
	case !c.isKey:
		err = s.verifyToken(g, c.text)
		c.text = g.Token(c.text)
	case !s.settings.Load().mayPresentKey(ctx):
		return c, engine.ErrInsecureBasic
	default:
		err = s.verifier.VerifyKey(g, c.text, s.now())
	}
	if err != nil {
		s.logRefusal(ctx, c, err)
	}
	return c, err
}

// verifyToken verifies a token into g, and tells a client that presents a refused
// one again and again to stop.
func (s *Server) verifyToken(g *engine.Grant, token []byte) error {
	now := s.now()
	err := s.verifier.VerifyToken(g, token, now)
	s.metrics.lookedUp(g.FromCache())
	if err != nil {
		return s.refusals.Answer(g.Token(token), err, now)
	}
	if g.HasUnknownClaims() {
		s.warnUnknownClaims(g, now)
	}
	return nil
}

// warnUnknownClaims notes, once a second at most, that a token with x-ably-
// claims that are not known was admitted, as the configuration says.
func (s *Server) warnUnknownClaims(g *engine.Grant, now engine.UnixMilli) {
	if s.warning.due(now, 1000) {
		s.log.Warn("a token carries x-ably- claims that are not known", "key", g.KeyName())
	}
}

// logRefusal notes a refused credential by a fingerprint, which finds the log
// lines of one token and says nothing about it.
func (s *Server) logRefusal(ctx *fasthttp.RequestCtx, c credential, err error) {
	if !s.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	sum := sha256.Sum256(c.text)
	s.log.Debug("refused", "reason", s.infoOf(err).Reason(), "credential", hex.EncodeToString(sum[:4]), "key", c.isKey, "peer", s.settings.Load().clientIP(ctx).String())
}

// findOperation returns the channel and the operation that a request asks about,
// 0 when it asks about none.
func findOperation(ctx *fasthttp.RequestCtx) (channel []byte, op capability.Op, err error) {
	channel, hasChannel, err := oneOf(ctx, "channel")
	if err != nil {
		return nil, 0, err
	}
	name, hasOp, err := oneOf(ctx, "op")
	if err != nil {
		return nil, 0, err
	}
	if hasOp {
		if op = capability.ParseOp(name); op == 0 || op == capability.All {
			return nil, 0, engine.ErrOperationParameter
		}
	}
	// Presence without a clientId is refused whatever the channel.
	if hasChannel != hasOp && op != capability.Presence {
		return nil, 0, engine.ErrChannelParameter
	}
	return channel, op, nil
}

// fillAnswer makes the answer of what w was admitted with.
func (w *work) fillAnswer() {
	w.text = w.grant.AppendCapability(w.text[:0])
	split := len(w.text)
	w.text = w.session.Identity().AppendClientID(w.text)
	w.answer = admitted{
		Admitted: true, KeyName: w.grant.KeyName(), ClientID: string(w.text[split:]), Capability: string(w.text[:split]),
		Issued: int64(w.grant.Issued()), Expires: int64(w.grant.Expires()),
	}
}

func (s *Server) writeAdmitted(ctx *fasthttp.RequestCtx, w *work) {
	w.fillAnswer()
	f := formatOf(ctx)
	ctx.Response.Header.SetContentTypeBytes(contentTypes[f])
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	if f == formatMsgpack {
		w.body = w.answer.appendMsgpack(w.body[:0])
	} else {
		w.body, _ = json.Append(w.body[:0], &w.answer, 0) // of strings and integers only: it cannot fail
	}
	ctx.Response.SetBody(w.body)
}

func (a *admitted) appendMsgpack(b []byte) []byte {
	size := uint32(3)
	if a.ClientID != "" {
		size++
	}
	if a.Expires != 0 {
		size += 2
	}
	b = msgp.AppendMapHeader(b, size)
	b = msgp.AppendBool(msgp.AppendString(b, "admitted"), a.Admitted)
	b = msgp.AppendString(msgp.AppendString(b, "keyName"), a.KeyName)
	if a.ClientID != "" {
		b = msgp.AppendString(msgp.AppendString(b, "clientId"), a.ClientID)
	}
	b = msgp.AppendString(msgp.AppendString(b, "capability"), a.Capability)
	if a.Expires != 0 {
		b = msgp.AppendInt64(msgp.AppendString(b, "issued"), a.Issued)
		b = msgp.AppendInt64(msgp.AppendString(b, "expires"), a.Expires)
	}
	return b
}

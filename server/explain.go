package server

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/segmentio/encoding/json"
	"github.com/valyala/fasthttp"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
	"portcullis/server/realtime"
)

// explainRequest is the body of POST /v1/explain: a credential, and what to ask
// of it. It is a body so that no log of URLs ever holds a token.
type explainRequest struct {
	Token, Key, URL, ClientID, Channel, Op string
	Origin, IP                             string // of the peer
	At                                     string // decimal milliseconds; none means now
}

// read reads the request, and refuses what it does not know.
func (q *explainRequest) read(body []byte) (peer admission.Peer, at engine.UnixMilli, ok bool) {
	ok = readStrings(body, map[string]*string{
		"token": &q.Token, "key": &q.Key, "url": &q.URL, "clientId": &q.ClientID, "channel": &q.Channel, "op": &q.Op,
		"origin": &q.Origin, "ip": &q.IP, "at": &q.At,
	})
	peer = admission.Peer{ClientID: []byte(q.ClientID), Origin: []byte(q.Origin)}
	var err error
	if q.IP != "" {
		peer.IP, err = netip.ParseAddr(q.IP)
	}
	var ms uint64
	if q.At != "" && err == nil {
		ms, err = strconv.ParseUint(q.At, 10, 53)
	}
	given := 0
	for _, credential := range []string{q.Token, q.Key, q.URL} {
		if credential != "" {
			given++
		}
	}
	return peer, engine.UnixMilli(ms), ok && err == nil && given == 1
}

// readURL takes the credential, and what else says who connects, from the URL of a
// realtime connection, as the request for one is read.
func (q *explainRequest) readURL(peer *admission.Peer) error {
	var ctx fasthttp.RequestCtx
	if err := ctx.Request.URI().Parse(nil, []byte(q.URL)); err != nil {
		return engine.ErrBadRequest
	}
	var err error
	if peer.ClientType, err = readOpening(&ctx, new(realtime.Opening)); err != nil {
		return err
	}
	asked, err := findClientID(&ctx, new([]byte))
	if err != nil {
		return err
	}
	if len(asked) > 0 {
		peer.ClientID = bytes.Clone(asked)
	}
	c, err := findCredential(&ctx, new([]byte))
	if c.isKey {
		q.Key = string(c.text)
	} else {
		q.Token = string(c.text)
	}
	return err
}

// explain answers POST /v1/explain of the admin listener with every check of the
// verdict. It takes the steps of verification, and asks no cache.
func (s *Server) explain(ctx *fasthttp.RequestCtx) {
	var q explainRequest
	peer, at, ok := q.read(ctx.Request.Body())
	if !ok {
		s.refuse(ctx, engine.ErrBody.WithDetail("want an object of strings: token, key or url, and clientId, channel, op, origin, ip, at (milliseconds)"))
		return
	}
	op := capability.ParseOp([]byte(q.Op))
	if q.Op != "" && (op == 0 || op == capability.All) {
		s.refuse(ctx, engine.ErrOperationParameter)
		return
	}
	now := s.now()
	if at != 0 {
		now = at
	}
	x := new(engine.Explanation)
	var err error
	if q.URL != "" {
		err = q.readURL(&peer)
	}
	switch {
	case err != nil:
		x.Add(s.infoOf(err).Step(), s.infoOf(err), "")
	case q.Key != "":
		x = s.verifier.ExplainKey([]byte(q.Key), now)
	default:
		x = s.verifier.ExplainToken([]byte(q.Token), now)
	}
	rules := admission.Explain(x, peer, []byte(q.Channel), op)
	body, err := json.Marshal(admission.NewReport(x, peer, rules))
	if err != nil {
		s.refuse(ctx, s.infoOf(err))
		return
	}
	ctx.Response.Header.SetContentTypeBytes(contentTypes[formatJSON])
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	ctx.SetBody(body)
}

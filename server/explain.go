package server

import (
	"bytes"

	"github.com/segmentio/encoding/json"
	"github.com/valyala/fasthttp"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
)

// explainRequest is the body of POST /v1/explain: a credential, and what to ask
// of it. It is a body so that no log of URLs ever holds a token.
type explainRequest struct {
	Token    string `json:"token"`
	Key      string `json:"key"`
	ClientID string `json:"clientId"`
	Channel  string `json:"channel"`
	Op       string `json:"op"`
	At       int64  `json:"at"` // milliseconds; 0 means now
}

// explain answers POST /v1/explain of the admin listener with every check of the
// verdict. It takes the steps of verification, and asks no cache.
func (s *Server) explain(ctx *fasthttp.RequestCtx) {
	var q explainRequest
	rest, err := json.Parse(ctx.Request.Body(), &q, json.DisallowUnknownFields)
	if err != nil || len(bytes.TrimSpace(rest)) > 0 || (q.Token == "") == (q.Key == "") || q.At < 0 {
		s.refuse(ctx, engine.ErrBody.WithDetail("want an object with token or key, and clientId, channel, op, at"))
		return
	}
	op := capability.ParseOp([]byte(q.Op))
	if q.Op != "" && (op == 0 || op == capability.All) {
		s.refuse(ctx, engine.ErrOperationParameter)
		return
	}
	now := s.now()
	if q.At != 0 {
		now = engine.UnixMilli(q.At)
	}
	var x *engine.Explanation
	if q.Key != "" {
		x = s.verifier.ExplainKey([]byte(q.Key), now)
	} else {
		x = s.verifier.ExplainToken([]byte(q.Token), now)
	}
	peer := admission.Peer{ClientID: []byte(q.ClientID)}
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

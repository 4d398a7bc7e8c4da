package server

import (
	"fmt"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"portcullis/admission"
	"portcullis/engine"
	"portcullis/server/realtime/frame"
)

// refusal is one ErrorInfo as it goes over the wire.
type refusal struct {
	bodies        [formatCount][]byte
	code, message []byte // the error headers
}

// refusals holds every ErrorInfo, encoded once.
var refusals = func() map[*engine.ErrorInfo]*refusal {
	all := make(map[*engine.ErrorInfo]*refusal)
	for _, info := range engine.Errors() {
		all[info] = encodeRefusal(info)
	}
	return all
}()

func encodeRefusal(info *engine.ErrorInfo) *refusal {
	r := &refusal{code: strconv.AppendInt(nil, int64(info.Code), 10), message: []byte(info.Message)}
	for f := range formatCount {
		r.bodies[f] = frame.AppendErrorInfo(nil, f, info)
	}
	return r
}

// Names of headers, written as Ably writes them.
const (
	headerErrorCode    = "X-Ably-Errorcode"
	headerErrorMessage = "X-Ably-Errormessage"
	headerClientID     = "X-Ably-ClientId"
	headerDeviceToken  = "X-Ably-DeviceToken"
	headerDeviceSecret = "X-Ably-DeviceSecret"
)

// infoOf returns why a request is refused, nil when it is not. Every error that
// can be met is an *engine.ErrorInfo; anything else is a defect of ours.
func (s *Server) infoOf(err error) *engine.ErrorInfo {
	if err == nil {
		return nil
	}
	info, ok := err.(*engine.ErrorInfo)
	if !ok {
		s.log.Error("unexpected error", "type", fmt.Sprintf("%T", err))
		return engine.ErrInternal
	}
	return info
}

// refuse answers with info.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, info *engine.ErrorInfo) {
	r := refusals[info]
	if r == nil {
		r = encodeRefusal(info) // one with a detail
	}
	f := formatOf(ctx)
	response := &ctx.Response
	response.SetStatusCode(info.StatusCode)
	response.Header.SetContentTypeBytes(contentTypes[f])
	response.Header.SetBytesV(headerErrorCode, r.code)
	response.Header.SetBytesV(headerErrorMessage, r.message)
	response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	switch info.StatusCode {
	case fasthttp.StatusUnauthorized:
		response.Header.Set(fasthttp.HeaderWWWAuthenticate, "Bearer") // RFC 9110 §15.5.2; Basic would make browsers ask for a password
	case fasthttp.StatusTooManyRequests:
		response.Header.Set(fasthttp.HeaderRetryAfter, strconv.Itoa(admission.RefusalWindow/1000))
	case fasthttp.StatusServiceUnavailable:
		response.Header.Set(fasthttp.HeaderRetryAfter, strconv.Itoa(max(1, int((info.RetryAfter()+time.Second-1)/time.Second))))
	}
	response.SetBody(r.bodies[f])
}

package server

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/encoding/json"
	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/engine"
	"portcullis/store"
)

// Limits on POST /keys/{keyName}/revokeTokens.
const (
	maxRevocationTargets = 100
	// maxIssuedBeforeAge is how far back a revocation may reach: revocable tokens
	// live for an hour.
	maxIssuedBeforeAge = 3_600_000 // milliseconds
	// reauthMargin is how long a client has to present another token when it is
	// given the time. SDK tests want more than 30 s after a time that was asked for
	// before, in the same millisecond at the earliest.
	reauthMargin = 30_001 // milliseconds
)

// revokeTokens answers POST /keys/{keyName}/revokeTokens (RSA17). What it answers
// as revoked is durable, and refused from the next request on.
func (s *Server) revokeTokens(ctx *fasthttp.RequestCtx) {
	w := s.work.Get().(*work)
	defer s.work.Put(w)
	start := time.Now()
	refused := s.infoOf(s.revoke(ctx, w))
	if refused != nil {
		s.refuse(ctx, refused)
	}
	s.metrics.decided(surfaceRevoke, refused, time.Since(start))
}

func (s *Server) revoke(ctx *fasthttp.RequestCtx, w *work) error {
	if err := s.mayRevoke(ctx, w); err != nil {
		return err
	}
	now := s.now()
	r, err := readRevocation(ctx)
	if err != nil {
		return err
	}
	if !r.hasIssuedBefore {
		r.issuedBefore = now
	}
	if r.issuedBefore > now || r.issuedBefore < now-maxIssuedBeforeAge {
		return engine.ErrIssuedBefore
	}
	app, _, _ := strings.Cut(w.grant.KeyName(), ".")
	if !s.revocationRate.allow(app, now, s.options.RevocationsPerMinute) {
		return engine.ErrRevocationRate
	}
	appliesAt := now
	if r.margin {
		appliesAt += reauthMargin
	}
	results, revocations := s.resolveTargets(r, appliesAt)
	if len(revocations) > 0 {
		// Refused here at once; but what is not kept is not answered.
		s.verifier.Revoke(w.grant.KeyName(), revocations...)
		if err := s.keepRevocations(w.grant.KeyName(), revocations); err != nil {
			s.metrics.storeErrors[storeRevocations].Inc()
			s.log.Error("revocations not kept", "key", w.grant.KeyName(), "error", err)
			return engine.ErrUnavailable
		}
		s.forgetRevocations(now)
	}
	s.writeRevocations(ctx, results)
	return nil
}

// keepRevocations keeps revocations, and before them what they do to device tokens,
// which live longer than a revocation is remembered: what is kept halfway refuses
// too much and not too little.
func (s *Server) keepRevocations(keyName string, revocations []engine.Revocation) error {
	within, cancel := context.WithTimeout(context.Background(), 4*storeBudget) // a clientId may have many devices
	defer cancel()
	if err := s.devices.Revoke(within, keyName, revocations); err != nil {
		return err
	}
	within, cancel = context.WithTimeout(context.Background(), storeBudget)
	defer cancel()
	return s.options.Store.AppendRevocations(within, keyName, revocations)
}

// forgetRevocations forgets what no token is left for, once a minute at most.
func (s *Server) forgetRevocations(now engine.UnixMilli) {
	if s.forgetting.due(now, 60_000) {
		s.verifier.ForgetRevocations(now - engine.UnixMilli(store.RetentionOfRevocations.Milliseconds()))
	}
}

// mayRevoke admits the holder of the very key whose tokens are to be revoked.
func (s *Server) mayRevoke(ctx *fasthttp.RequestCtx, w *work) error {
	if s.options.Store == nil {
		return engine.ErrUnavailable
	}
	if _, err := s.verifyCredential(ctx, w, &w.grant); err != nil {
		return err
	}
	settings := s.settings.Load()
	if err := w.grant.PermitPeer(ctx.Request.Header.Peek(fasthttp.HeaderOrigin), settings.clientIP(ctx)); err != nil {
		return err
	}
	switch {
	case w.grant.IsToken():
		return engine.ErrBasicNeeded
	case w.grant.KeyName() != string(parameter(ctx)):
		return engine.ErrRevokeOtherKey
	case !w.grant.Revocable():
		return engine.ErrNotRevocable
	}
	return nil
}

// targetResult is what became of one target.
type targetResult struct {
	target                  string
	issuedBefore, appliesAt engine.UnixMilli
	err                     *engine.ErrorInfo
}

// resolveTargets reads the targets, type:value, in order; the value may hold
// colons.
func (s *Server) resolveTargets(r *revocationRequest, appliesAt engine.UnixMilli) (results []targetResult, revocations []engine.Revocation) {
	for _, target := range r.targets {
		kind, value, found := strings.Cut(target, ":")
		result := targetResult{target: target, issuedBefore: r.issuedBefore, appliesAt: appliesAt}
		revocation := engine.Revocation{Value: value, IssuedBefore: r.issuedBefore, AppliesAt: appliesAt}
		switch {
		case !found, value == "":
			result.err = engine.ErrRevocationTarget
		case kind == "clientId":
			revocation.Target = engine.RevokeClientID
		case kind == "revocationKey":
			revocation.Target = engine.RevokeRevocationKey
		case kind == "channel" && !s.settings.Load().ChannelRevocation:
			result.err = engine.ErrChannelRevocation
		case kind == "channel":
			revocation.Target = engine.RevokeChannel
		default:
			result.err = engine.ErrRevocationTarget
		}
		results = append(results, result)
		if result.err == nil {
			revocations = append(revocations, revocation)
		}
	}
	return results, revocations
}

// writeRevocations answers with the results, in the shape that the client's
// version of the protocol wants (BAR2, TRS2, TRF2).
func (s *Server) writeRevocations(ctx *fasthttp.RequestCtx, results []targetResult) {
	list, failures := make([]any, len(results)), 0
	for i, r := range results {
		if r.err != nil {
			failures++
			list[i] = map[string]any{"target": r.target, "error": errorFields(r.err)}
			continue
		}
		list[i] = map[string]any{"target": r.target, "issuedBefore": int64(r.issuedBefore), "appliesAt": int64(r.appliesAt)}
	}
	switch version, err := strconv.Atoi(string(ctx.Request.Header.Peek("X-Ably-Version"))); {
	case err == nil && version >= 3:
		writeValue(ctx, fasthttp.StatusCreated, map[string]any{"successCount": int64(len(results) - failures), "failureCount": int64(failures), "results": list})
	case failures == 0:
		writeValue(ctx, fasthttp.StatusCreated, list)
	default:
		s.refuse(ctx, engine.ErrBatch)
		writeValue(ctx, engine.ErrBatch.StatusCode, map[string]any{"error": errorFields(engine.ErrBatch), "batchResponse": list})
	}
}

func errorFields(info *engine.ErrorInfo) map[string]any {
	return map[string]any{"code": int64(info.Code), "statusCode": int64(info.StatusCode), "message": info.Message}
}

// writeValue answers with a value of maps, lists, strings and integers.
func writeValue(ctx *fasthttp.RequestCtx, status int, value any) {
	f := formatOf(ctx)
	ctx.SetStatusCode(status)
	ctx.Response.Header.SetContentTypeBytes(contentTypes[f])
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	var body []byte
	if f == formatMsgpack {
		body, _ = msgp.AppendIntf(nil, value) // of kinds that it knows: it cannot fail
	} else {
		body, _ = json.Marshal(value)
	}
	ctx.SetBody(body)
}

// rate counts what each app does in a minute.
type rate struct {
	mu     sync.Mutex
	minute engine.UnixMilli
	counts map[string]int
}

// allow says whether app may do it once more in this minute; limit 0 means that
// it may.
func (r *rate) allow(app string, now engine.UnixMilli, limit int) bool {
	if limit <= 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if minute := now / 60_000; minute != r.minute || r.counts == nil {
		r.minute, r.counts = minute, make(map[string]int)
	}
	r.counts[app]++
	return r.counts[app] <= limit
}

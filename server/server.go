package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/encoding/json"
	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/admission"
	"portcullis/admission/registry"
	"portcullis/engine"
	"portcullis/fanout"
	"portcullis/push"
	"portcullis/server/realtime"
	"portcullis/store"
)

// Limits on connections and requests. fasthttp's own defaults are without end.
const (
	maxHeaderBytes = 16 << 10
	maxBodyBytes   = 64 << 10
	readTimeout    = 5 * time.Second
	writeTimeout   = 5 * time.Second
	idleTimeout    = 60 * time.Second
	drainTimeout   = 10 * time.Second

	// DefaultMaxConnections is how many connections a listener serves at once.
	DefaultMaxConnections = 64 << 10
)

// Options are what a Server is made from.
type Options struct {
	Verifier            *engine.Verifier
	Now                 func() engine.UnixMilli // nil means the wall clock
	Log                 *slog.Logger            // nil means none
	Version             string
	Settings            Settings
	MaxConnections      int           // 0 means DefaultMaxConnections
	MaxConnectionsPerIP int           // 0 means no limit
	MaxStoreRequests    int           // that wait for the store at once; 0 means DefaultMaxStoreRequests
	AdminToken          engine.Secret // what admin requests must bear; "" means nothing
	LoopbackOnly        bool          // the public listener is on a loopback address: refuse requests under other names
	AdminLoopbackOnly   bool          // the same of the admin listener
	// RevocationsPerMinute is how often an app may revoke tokens; 0 means no limit.
	RevocationsPerMinute int
	RefusalLimit         int           // refusals of one token in ten seconds before it is told to stop; 0 means admission.DefaultRefusalLimit, less than 0 no limit
	Store                store.Store   // nonces, sandbox apps and devices; nil means that no token can be requested
	Sandbox              bool          // POST /apps and DELETE /apps/{id}
	SandboxToken         engine.Secret // what POST /apps must bear; "" means nothing
	Reload               func() error  // what POST /-/reload does; nil means there is no such endpoint
	Fanout               fanout.Fanout // messages and presence between realtime connections; needed
}

// Settings are what can change while the server runs.
type Settings struct {
	AllowInsecureBasic bool           // accept API keys on connections without TLS
	TrustedProxies     []netip.Prefix // whose X-Forwarded-For and X-Forwarded-Proto count
	ChannelRevocation  bool           // revocation targets of type channel are allowed

	ConnectionsPerApp   int                 // realtime connections at once; 0 means no limit
	ConnectionsPerToken int                 // the same of one token
	Identified          map[string][]string // namespaces that are for identified clients, by app
}

// Server answers the public and the admin endpoints.
type Server struct {
	options  Options
	verifier *engine.Verifier
	now      func() engine.UnixMilli
	log      *slog.Logger
	metrics  *metrics
	work     sync.Pool // of *work
	public   *fasthttp.Server
	admin    *fasthttp.Server
	settings atomic.Pointer[Settings]
	refusals *admission.Refusals
	issuer   *engine.Issuer
	sandbox  *sandbox
	hub      *realtime.Hub
	devices  *push.Registry // nil without a store
	bodies   bodyBudget
	services services // of authorization

	storeWork storeWork
	listener  atomic.Pointer[limitedListener] // the public one, while it serves

	namespaces atomic.Pointer[map[string]*admission.Namespaces] // by app

	revocationRate rate
	forgetting     pace // of forgetRevocations
	warning        pace // of warnUnknownClaims
	draining       atomic.Bool
}

// New returns a Server that does not listen yet.
func New(o Options) *Server {
	if o.MaxConnections == 0 {
		o.MaxConnections = DefaultMaxConnections
	}
	if o.MaxStoreRequests == 0 {
		o.MaxStoreRequests = DefaultMaxStoreRequests
	}
	s := &Server{
		options: o, verifier: o.Verifier, now: o.Now, log: o.Log,
		work:     sync.Pool{New: func() any { return new(work) }},
		refusals: admission.NewRefusals(o.RefusalLimit),
		issuer:   engine.NewIssuer(),
	}
	s.storeWork.max = int64(o.MaxStoreRequests)
	if s.now == nil {
		s.now = engine.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.sandbox = newSandbox(o.Verifier, o.Store, s.log)
	s.services.init(o.Verifier, o.Store)
	if o.Store != nil {
		s.devices = push.New(o.Store, s.log)
		s.sandbox.leaving = s.devices.ForgetApp
	}
	s.metrics = newMetrics(o.Version, o.Verifier, o.Store)
	s.hub = realtime.New(realtime.Options{
		Verify: s.verifyToken, Fanout: o.Fanout, Now: s.now, Log: s.log, Metrics: s.metrics.registry,
	})
	s.Apply(o.Settings)
	s.metrics.reloaded(nil, s.now())
	s.public = s.newHTTP(s.Handler(), &o)
	s.admin = s.newHTTP(s.guard(s.serveAdmin), &o)
	s.admin.WriteTimeout = 2 * time.Minute // a CPU profile takes its time
	return s
}

func (s *Server) newHTTP(handler fasthttp.RequestHandler, o *Options) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      handler,
		ErrorHandler:                 s.malformed,
		HeaderReceived:               s.headerReceived,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		ReadBufferSize:               maxHeaderBytes,
		MaxRequestBodySize:           maxBodyBytes,
		Concurrency:                  o.MaxConnections + 1, // limitedListener has the limit
		NoDefaultServerHeader:        true,
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true,
		CloseOnShutdown:              true,
		Logger:                       httpLog{s.log},
		KeepHijackedConns:            true, // package realtime closes them
	}
}

// Configure makes keys, token rules and sealing secrets the present ones, beside
// the keys of sandbox apps; all of it or, after an error, nothing.
func (s *Server) Configure(keys []engine.Key, rules engine.TokenRules, seal []engine.SealSecret) error {
	err := s.sandbox.configure(keys, rules, seal)
	if err == nil {
		s.hub.KeysChanged()
	}
	return err
}

// LoadRevocations takes in the revocations that the store has kept, and from then
// on every new one.
func (s *Server) LoadRevocations() error {
	kept := make(map[string][]engine.Revocation)
	var mu sync.Mutex // over kept, which is nil once it has been taken in
	err := s.options.Store.WatchRevocations(func(keyName string, r engine.Revocation) {
		mu.Lock()
		defer mu.Unlock()
		if kept != nil {
			kept[keyName] = append(kept[keyName], r)
			return
		}
		s.verifier.Revoke(keyName, r)
		s.hub.Revoked(keyName, r)
	})
	mu.Lock()
	defer mu.Unlock()
	for keyName, revocations := range kept {
		s.verifier.Revoke(keyName, revocations...)
	}
	kept = nil
	return err
}

// LoadSandbox takes in the sandbox apps that the store has kept.
func (s *Server) LoadSandbox() error {
	if !s.options.Sandbox || s.options.Store == nil {
		return nil // keys that were made while there was a sandbox are none without it
	}
	return s.sandbox.load()
}

// LoadDevices takes in the push registrations that the store has kept.
func (s *Server) LoadDevices() error {
	if s.devices == nil {
		return nil
	}
	return s.devices.Load()
}

// Apply makes settings the present ones, from the next request on.
func (s *Server) Apply(settings Settings) {
	s.settings.Store(&settings)
	namespaces := make(map[string]*admission.Namespaces, len(settings.Identified))
	for app, ids := range settings.Identified {
		namespaces[app] = admission.NewNamespaces(ids...)
	}
	s.namespaces.Store(&namespaces)
	s.hub.Apply(realtime.Settings{
		Limits:     registry.Limits{PerApp: settings.ConnectionsPerApp, PerToken: settings.ConnectionsPerToken},
		Namespaces: namespaces,
	})
}

// Reloaded notes, for the metrics, how reading the configuration went: nil or why
// the old one stays.
func (s *Server) Reloaded(err error) { s.metrics.reloaded(err, s.now()) }

// httpLog passes on that fasthttp has met an error, without its text, which
// quotes the request.
type httpLog struct{ log *slog.Logger }

func (l httpLog) Printf(string, ...any) { l.log.Debug("connection failed") }

// Handler returns the handler of the public endpoints.
func (s *Server) Handler() fasthttp.RequestHandler { return s.guard(s.servePublic) }

// guard keeps a panic in one request from ending the process. The answer is an
// internal error, and the log has the stack, without any value of the request.
func (s *Server) guard(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		defer s.bodies.give(ctx.Request.Header.ContentLength())
		defer func() {
			if p := recover(); p != nil {
				s.log.Error("panic", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
				ctx.Response.Reset()
				s.refuse(ctx, engine.ErrInternal)
				ctx.SetConnectionClose()
			}
		}()
		next(ctx)
	}
}

// malformed answers a request that fasthttp could not read.
func (s *Server) malformed(ctx *fasthttp.RequestCtx, err error) {
	info := engine.ErrBadRequest
	var timeout net.Error
	var smallBuffer *fasthttp.ErrSmallBuffer
	switch {
	case errors.As(err, &smallBuffer):
		info = engine.ErrHeaderTooLarge
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		info = engine.ErrBodyTooLarge
		if ctx.Request.Header.ContentLength() <= maxBodyOf(&ctx.Request.Header) && ctx.Request.Header.ContentLength() > 0 {
			info = engine.ErrOverloaded // it would have fitted: headerReceived had no room
		}
	case errors.As(err, &timeout) && timeout.Timeout():
		info = engine.ErrTimeout
	}
	s.refuse(ctx, info)
	ctx.SetConnectionClose()
}

// time answers GET /time: a list of one number, the server's clock (RSC16).
func (s *Server) time(ctx *fasthttp.RequestCtx) {
	f := formatOf(ctx)
	ctx.Response.Header.SetContentTypeBytes(contentTypes[f])
	now := int64(s.now())
	if f == formatMsgpack {
		ctx.Response.SetBody(msgp.AppendInt64(msgp.AppendArrayHeader(nil, 1), now))
		return
	}
	body, _ := json.Marshal([]int64{now})
	ctx.Response.SetBody(body)
}

func (s *Server) live(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("ok\n") }

// ready is false while the server drains, while it has no room for another
// connection and while its store is not well. A floor and shedding concern requests
// that need the store alone: they are told, and the server is ready.
func (s *Server) ready(ctx *fasthttp.RequestCtx) {
	unready := func(why string) {
		ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
		ctx.SetBodyString(why + "\n")
	}
	if s.draining.Load() {
		unready("draining")
		return
	}
	if l := s.listener.Load(); l != nil && l.full() {
		unready("no room for another connection")
		return
	}
	if s.options.Store == nil {
		ctx.SetBodyString("ok\n")
		return
	}
	switch status := s.options.Store.Status(); {
	case status.Err != nil:
		unready("the store is not well") // why is in the log: it may name files
	case status.Floor > s.now():
		ctx.SetBodyString("ok\nsigned token requests are refused until " + status.Floor.Time().Format(time.RFC3339) + "\n")
	case s.storeWork.shedding(s.now()):
		ctx.SetBodyString("ok\nsome requests that need the store are refused: there are too many\n")
	default:
		ctx.SetBodyString("ok\n")
	}
}

// Serve answers public requests on ln until Shutdown. It then returns nil.
func (s *Server) Serve(ln net.Listener) error {
	if s.draining.Load() {
		return ln.Close()
	}
	limited := newLimitedListener(ln, s.options.MaxConnections, s.options.MaxConnectionsPerIP, s.metrics.shedConnection)
	s.listener.Store(limited)
	return s.public.Serve(limited)
}

// ServeAdmin answers admin requests on ln until Shutdown. It then returns nil.
func (s *Server) ServeAdmin(ln net.Listener) error { return s.admin.Serve(ln) }

// Shutdown drains: readiness turns false, connections are closed after their
// present answer, and after ten seconds at most it returns.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	if err := s.hub.Close(ctx); err != nil {
		s.log.Warn("some realtime connections were not closed in time")
	}
	return errors.Join(s.public.ShutdownWithContext(ctx), s.admin.ShutdownWithContext(ctx))
}

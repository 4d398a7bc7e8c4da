package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"portcullis/engine"
	"portcullis/fanout/memory"
	"portcullis/internal/config"
	"portcullis/oauth"
	"portcullis/server"
)

func newServe(g *globals) *cobra.Command {
	var flags configFlags
	cmd := &cobra.Command{
		Use:   "serve -c FILE",
		Short: "Run the server",
		Long: "Run the server. SIGTERM drains and stops it; SIGHUP, a change of the configuration file or of a file\n" +
			"that it names, and POST /-/reload on the admin listener have it read its configuration again.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			warnUnguarded(cmd)
			source, c, err := flags.load(cmd)
			if err != nil {
				return err
			}
			return serveConfig(cmd.Context(), cmd.ErrOrStderr(), source, &c, g.quiet, nil)
		},
	}
	flags.add(cmd)
	return cmd
}

// warnUnguarded guards the memory, and says so where the system does not let it. A
// server without is better than none.
func warnUnguarded(cmd *cobra.Command) {
	if err := guardMemory(); err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "portcullis: warning:", err)
	}
}

// serveConfig runs a server of a configuration, and reloads it.
func serveConfig(ctx context.Context, stderr io.Writer, source config.Source, c *config.Config, quiet bool, started func(*reloader, string, string)) error {
	options, err := c.Options()
	if err != nil {
		return fail(exitConfig, err)
	}
	r := newReloader(source, c, stderr, quiet)
	r.warn(c)
	service := service{
		listen: string(c.Server.Listen), adminListen: string(c.Server.AdminListen),
		options: options, settings: settings(c),
		maxConnections: int(c.Server.MaxConnections), maxConnectionsPerIP: int(c.Server.MaxConnectionsPerIP),
		adminToken: c.AdminToken, log: r.log, reload: func() error { return r.reload("request") },
		store: c.StoreSpec(), sandbox: c.Server.Sandbox, sandboxToken: c.Server.SandboxToken, refusalLimit: refusalLimit(c),
		revocationsPerMinute: int(c.Limits.RevocationsPerMinute),
		services:             c.OAuth(), oauthRules: c.OAuthRules(),
		created: func(s *server.Server, seal []engine.SealSecret) { r.server, r.storedSeal = s, seal },
		started: func(_ *server.Server, _ *engine.Verifier, address, adminAddress string) {
			r.start(ctx)
			if started != nil {
				started(r, address, adminAddress)
			}
		},
	}
	if r.certificate != nil {
		r.certificate.announce(r.log)
		service.tls = r.certificate.config()
	}
	defer r.stop()
	return serve(ctx, service)
}

// settings are what of a configuration can change while the server runs.
func settings(c *config.Config) server.Settings {
	return server.Settings{
		AllowInsecureBasic: c.InsecureBasic(), TrustedProxies: config.Prefixes(c.Server.TrustedProxies), ChannelRevocation: c.Tokens.ChannelRevocation,
		ConnectionsPerApp: int(c.Limits.ConnectionsPerApp), ConnectionsPerToken: int(c.Limits.ConnectionsPerToken),
		Identified: c.IdentifiedNamespaces(),
	}
}

// refusalLimit is the configured limit as the server takes it, where 0 means its
// own default and less than 0 none.
func refusalLimit(c *config.Config) int {
	if c.Limits.RefusalsPerToken == 0 {
		return -1
	}
	return int(c.Limits.RefusalsPerToken)
}

// service is one server to run.
type service struct {
	listen, adminListen                 string
	options                             engine.Options
	settings                            server.Settings
	maxConnections, maxConnectionsPerIP int
	adminToken                          engine.Secret
	tls                                 *tls.Config // of the public listener; may be nil
	store                               string      // memory: or bolt:PATH
	sandbox                             bool
	sandboxToken                        engine.Secret
	refusalLimit                        int // as server.Options has it
	revocationsPerMinute                int
	services                            []oauth.ServiceConfig
	oauthRules                          oauth.Rules
	log                                 *slog.Logger
	reload                              func() error // may be nil
	created                             func(s *server.Server, seal []engine.SealSecret)
	started                             func(s *server.Server, v *engine.Verifier, address, adminAddress string)
}

// serve runs a server until ctx ends, then drains it.
func serve(ctx context.Context, o service) error {
	v, err := engine.NewVerifier(o.options)
	if err != nil {
		return fail(exitConfig, err)
	}
	defer v.Close()
	public, err := net.Listen("tcp", o.listen)
	if err != nil {
		return failf(exitUnreachable, "%w: stop the other program, or give another --listen (server.listen)", err)
	}
	defer public.Close()
	admin, err := net.Listen("tcp", o.adminListen)
	if err != nil {
		return failf(exitUnreachable, "%w: stop the other program, or give another --admin-listen (server.admin_listen)", err)
	}
	defer admin.Close()

	st, err := openStore(o.store, o.log)
	if err != nil {
		return err
	}
	defer st.Close()
	stored, err := storedSeal(st)
	if err != nil {
		return fail(exitUnreachable, err)
	}
	s := server.New(server.Options{
		Store: st, Sandbox: o.sandbox, SandboxToken: o.sandboxToken, RefusalLimit: o.refusalLimit,
		RevocationsPerMinute: o.revocationsPerMinute,
		Verifier:             v, Log: o.log, Version: version,
		Settings: o.settings, Fanout: memory.New(memory.Options{Epoch: uint64(engine.Now())}),
		MaxConnections: o.maxConnections, MaxConnectionsPerIP: o.maxConnectionsPerIP,
		AdminToken: o.adminToken, Reload: o.reload,
		LoopbackOnly: config.IsLoopback(o.listen), AdminLoopbackOnly: config.IsLoopback(o.adminListen),
	})
	if err := errors.Join(s.Configure(o.options.Keys, o.options.Tokens, sealOr(o.options.Seal, stored)), s.LoadSandbox(), s.LoadRevocations(), s.LoadDevices(), s.ConfigureServices(o.services, o.oauthRules)); err != nil {
		return fail(exitConfig, err)
	}
	if o.created != nil {
		o.created(s, stored)
	}
	address := public.Addr().String()
	if o.tls != nil {
		public = tls.NewListener(public, o.tls)
	}
	ended := make(chan error, 2)
	go func() { ended <- s.Serve(public) }()
	go func() { ended <- s.ServeAdmin(admin) }()
	o.log.Info("serving", "listen", address, "admin_listen", admin.Addr().String(), "keys", len(o.options.Keys), "version", version)
	if o.started != nil {
		o.started(s, v, address, admin.Addr().String())
	}
	select {
	case err := <-ended:
		return fail(exitInternal, err)
	case <-ctx.Done():
	}
	o.log.Info("draining")
	if err := s.Shutdown(context.Background()); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fail(exitInternal, err)
	}
	o.log.Info("stopped")
	return nil
}

package main

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"portcullis/engine"
	"portcullis/internal/config"
	"portcullis/server"
)

func newServe(g *globals) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "serve -c FILE",
		Short: "Run the server",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return failf(exitUsage, "serve needs -c FILE")
			}
			c, err := config.Load(path)
			if err != nil {
				return fail(exitConfig, err)
			}
			options, err := c.Options()
			if err != nil {
				return fail(exitConfig, err)
			}
			level := slog.LevelInfo
			if g.quiet {
				level = slog.LevelWarn
			}
			log := slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			return serve(cmd.Context(), service{
				listen: c.Server.Listen, adminListen: c.Server.AdminListen,
				options: options, insecureBasic: c.InsecureBasic(), log: log,
			})
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", "", "the configuration file")
	return cmd
}

// service is one server to run.
type service struct {
	listen, adminListen string
	options             engine.Options
	insecureBasic       bool
	log                 *slog.Logger
	started             func(s *server.Server, v *engine.Verifier, address, adminAddress string) // may be nil
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
		return fail(exitUnreachable, err)
	}
	defer public.Close()
	admin, err := net.Listen("tcp", o.adminListen)
	if err != nil {
		return fail(exitUnreachable, err)
	}
	defer admin.Close()

	s := server.New(server.Options{Verifier: v, Log: o.log, Version: version, Settings: server.Settings{AllowInsecureBasic: o.insecureBasic}})
	ended := make(chan error, 2)
	go func() { ended <- s.Serve(public) }()
	go func() { ended <- s.ServeAdmin(admin) }()
	o.log.Info("serving", "listen", public.Addr().String(), "admin_listen", admin.Addr().String(), "keys", len(o.options.Keys), "version", version)
	if o.started != nil {
		o.started(s, v, public.Addr().String(), admin.Addr().String())
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

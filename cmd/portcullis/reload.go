package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"portcullis/engine"
	"portcullis/internal/config"
	"portcullis/server"
)

// reloader reads the configuration of a running server again and has it take
// effect, all of it or nothing.
type reloader struct {
	source      config.Source
	log         *slog.Logger
	level       *slog.LevelVar
	quiet       bool
	storedSeal  []engine.SealSecret // what seals when the configuration names nothing
	server      *server.Server
	certificate *certificate // nil when the server was started without TLS

	mu      sync.Mutex // one reload at a time
	started *config.Config
	watch   *fileWatch // nil when files cannot be watched
	running sync.WaitGroup
	cancel  context.CancelFunc
}

func newReloader(source config.Source, c *config.Config, stderr io.Writer, quiet bool) *reloader {
	r := &reloader{source: source, level: new(slog.LevelVar), quiet: quiet, started: c, cancel: func() {}}
	r.setLevel(c)
	options := &slog.HandlerOptions{Level: r.level}
	if c.Log.Format == config.Text {
		r.log = slog.New(slog.NewTextHandler(stderr, options))
	} else {
		r.log = slog.New(slog.NewJSONHandler(stderr, options))
	}
	if c.Certificate != nil {
		r.certificate = newCertificate(c.Certificate)
	}
	return r
}

func (r *reloader) setLevel(c *config.Config) {
	level := c.Log.Level.Slog()
	if r.quiet {
		level = max(level, slog.LevelWarn)
	}
	r.level.Set(level)
}

// warn logs what is allowed in a configuration and probably not meant.
func (r *reloader) warn(c *config.Config) {
	for _, w := range c.Warnings {
		r.log.Warn("configuration", "at", w.At.String(), "path", w.Path, "problem", w.Message)
	}
}

// start begins to reload on SIGHUP and on changes of files, until stop.
func (r *reloader) start(ctx context.Context) {
	ctx, r.cancel = context.WithCancel(ctx)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	r.running.Go(func() {
		defer signal.Stop(hup)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				_ = r.reload("SIGHUP") // it has logged why not
			}
		}
	})
	watch, err := newFileWatch(r.started.Files)
	if err != nil {
		r.log.Warn("files are not watched: reload with SIGHUP", "error", err)
		return
	}
	r.mu.Lock()
	r.watch = watch
	r.mu.Unlock()
	r.running.Go(func() { watch.run(ctx, func() { _ = r.reload("file") }) })
}

func (r *reloader) stop() {
	r.cancel()
	r.running.Wait()
}

// reload reads everything, and only when all of it is good it takes effect. After
// an error the old configuration stays, and the log says why.
func (r *reloader) reload(trigger string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, err := r.source.Load()
	files := next.Files
	if err == nil {
		err = r.apply(&next)
	} else {
		// What it names may be what is wrong with it, and what it named may come back.
		files = append(slices.Clone(r.started.Files), files...)
	}
	if r.watch != nil {
		r.watch.set(files)
	}
	r.server.Reloaded(err)
	if err != nil {
		r.refused(trigger, err)
		return err
	}
	r.warn(&next)
	r.needsRestart(&next)
	r.log.Info("configuration reloaded", "trigger", trigger)
	return nil
}

func (r *reloader) apply(c *config.Config) error {
	options, err := c.Options()
	if err != nil {
		return err
	}
	if err := r.server.CheckServices(c.OAuth(), c.OAuthRules()); err != nil {
		return err
	}
	if err := r.server.Configure(options.Keys, options.Tokens, sealOr(options.Seal, r.storedSeal)); err != nil {
		return err
	}
	if err := r.server.ConfigureServices(c.OAuth(), c.OAuthRules()); err != nil {
		return err
	}
	r.server.Apply(settings(c))
	if r.certificate != nil && c.Certificate != nil && r.certificate.replace(c.Certificate) {
		r.certificate.announce(r.log)
	}
	r.setLevel(c)
	return nil
}

// refused logs why the old configuration stays, one record for each problem.
func (r *reloader) refused(trigger string, err error) {
	var problems config.Problems
	if !errors.As(err, &problems) {
		r.log.Error("configuration refused, the old one stays", "trigger", trigger, "problem", err.Error())
	}
	for _, p := range problems {
		r.log.Error("configuration refused, the old one stays", "trigger", trigger, "at", p.At.String(), "path", p.Path, "problem", p.Message)
	}
}

// needsRestart logs what differs from the configuration that the server was
// started with and cannot change while it runs.
func (r *reloader) needsRestart(c *config.Config) {
	was, is := r.started, c
	for _, fixed := range []struct {
		path    string
		changed bool
	}{
		{"server.listen", was.Server.Listen != is.Server.Listen},
		{"server.admin_listen", was.Server.AdminListen != is.Server.AdminListen},
		{"server.tls", (was.Certificate == nil) != (is.Certificate == nil)},
		{"server.admin_token_file", was.AdminToken != is.AdminToken},
		{"server.max_connections", was.Server.MaxConnections != is.Server.MaxConnections},
		{"server.max_connections_per_ip", was.Server.MaxConnectionsPerIP != is.Server.MaxConnectionsPerIP},
		{"server.sandbox", was.Server.Sandbox != is.Server.Sandbox},
		{"server.sandbox_token", was.Server.SandboxToken != is.Server.SandboxToken},
		{"store", was.StoreSpec() != is.StoreSpec()},
		{"limits.refusals_per_token", was.Limits.RefusalsPerToken != is.Limits.RefusalsPerToken},
		{"limits.revocations_per_minute", was.Limits.RevocationsPerMinute != is.Limits.RevocationsPerMinute},
		{"cache.max_bytes", was.Cache.MaxBytes != is.Cache.MaxBytes},
		{"log.format", was.Log.Format != is.Log.Format},
	} {
		if fixed.changed {
			r.log.Warn("needs a restart", "at", is.At(fixed.path).String(), "path", fixed.path)
		}
	}
}

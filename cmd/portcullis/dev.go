package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
	"portcullis/internal/config"
	"portcullis/server"
)

func newDev(g *globals) *cobra.Command {
	var listen, adminListen string
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a server with a random key, on loopback, keeping nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for flag, address := range map[string]string{"--listen": listen, "--admin-listen": adminListen} {
				if !config.IsLoopback(address) {
					return failf(exitUsage, "%s %s: dev listens on loopback addresses only, such as 127.0.0.1:8080", flag, address)
				}
			}
			warnUnguarded(cmd)
			key := randomKey()
			name, secret, _ := strings.Cut(string(key), ":")
			failed := make(chan error, 1)
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			err := serve(ctx, service{
				listen: listen, adminListen: adminListen, store: "memory:", sandbox: true,
				settings: server.Settings{AllowInsecureBasic: true, ChannelRevocation: true},
				options:  engine.Options{Keys: []engine.Key{{Name: name, Secret: engine.Secret(secret)}}, CacheBytes: 64 << 20},
				log:      slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})),
				started: func(_ *server.Server, v *engine.Verifier, address, adminAddress string) {
					d := demo{out: cmd.OutOrStdout(), key: key, verifier: v, url: "http://" + address, adminURL: "http://" + adminAddress}
					if g.json {
						printJSON(d.out, map[string]string{"key": string(key), "server": d.url, "admin": d.adminURL})
						return
					}
					if err := d.show(ctx); err != nil {
						failed <- err
						cancel()
					}
				},
			})
			select {
			case err := <-failed:
				return err
			default:
				return err
			}
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "loopback address of the server")
	cmd.Flags().StringVar(&adminListen, "admin-listen", "127.0.0.1:8090", "loopback address of metrics and health")
	return cmd
}

// randomKey makes an API key of letters, digits, - and _ only: SDKs refuse some
// other characters.
func randomKey() engine.Secret {
	return engine.Secret("dev." + rand.Text()[:6] + ":" + rand.Text() + rand.Text()[:6])
}

// demo shows a newcomer one connection that is admitted and one that is refused,
// both over HTTP.
type demo struct {
	out           io.Writer
	key           engine.Secret
	verifier      *engine.Verifier
	url, adminURL string
}

const (
	demoClient     = "ana"
	demoCapability = `{"chat:*":["publish","subscribe"]}`
	demoChannel    = "chat:room1"
	demoForbidden  = "admin:audit"
)

func (d *demo) show(ctx context.Context) error {
	host, port, _ := strings.Cut(strings.TrimPrefix(d.url, "http://"), ":")
	fmt.Fprintf(d.out, `portcullis %s  DEV MODE  random key, loopback only, nothing is kept

  export %s=%s

  server   %s   Ably SDK: endpoint %s, port %s, tls false
  metrics  %s/metrics

Two connections, made just now. Both present a token for clientId %s that grants %s.

`, version, keyVariable, string(d.key), d.url, host, port, d.adminURL, demoClient, demoCapability)

	signer, err := engine.NewSigner(d.key)
	if err != nil {
		return fail(exitInternal, err)
	}
	token, err := signer.AppendJWT(nil, &engine.TokenParams{Issued: engine.Now(), ClientID: demoClient, Capability: demoCapability})
	if err != nil {
		return fail(exitInternal, err)
	}
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	for _, channel := range []string{demoChannel, demoForbidden} {
		verdict, err := ask(ctx, client, d.url+"/v1/admit?op=publish&channel="+url.QueryEscape(channel), string(token))
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "  publish on %-12s ", channel)
		if verdict.Admitted {
			fmt.Fprintf(d.out, "ADMITTED  as %s until %s\n", verdict.ClientID, engine.UnixMilli(verdict.Expires).Time().Format(time.RFC3339))
			continue
		}
		d.explainRefusal(token, channel, verdict)
	}
	fmt.Fprintf(d.out, `
Try, in another terminal, after the export line above:

  curl -s -H "Authorization: Bearer $(bin/portcullis issue jwt --token-only --client-id %s --capability '%s')" \
       '%s/v1/admit?channel=%s&op=publish'
  bin/portcullis explain --sample wrong-channel

Ctrl-C stops the server.
`, demoClient, demoCapability, d.url, demoChannel)
	return nil
}

// explainRefusal shows the reason that the server's answer stands for.
func (d *demo) explainRefusal(token []byte, channel string, answered verdict) {
	x := d.verifier.ExplainToken(token, engine.Now())
	rules := admission.Explain(x, admission.Peer{}, []byte(channel), capability.Publish)
	if x.Err == nil || x.Err.Code != answered.Code {
		fmt.Fprintf(d.out, "REFUSED  (Ably %d, HTTP %d)  %s\n", answered.Code, answered.StatusCode, answered.Message)
		return
	}
	fmt.Fprintf(d.out, "REFUSED   %s (Ably %d, HTTP %d)\n", x.Err.Reason(), answered.Code, answered.StatusCode)
	for _, r := range rules {
		fmt.Fprintf(d.out, "             rule %q %s: %s\n", r.Resource, r.Ops, r.Why)
	}
}

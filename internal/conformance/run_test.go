package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp/fasthttputil"

	"portcullis/engine"
	fanout "portcullis/fanout/memory"
	"portcullis/internal/config"
	"portcullis/internal/conformance"
	"portcullis/server"
)

// serve runs a Portcullis of the configuration that is recommended for it, and
// returns what reaches it.
func serve(t *testing.T) http.RoundTripper {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fixtures.yaml")
	require.NoError(t, os.WriteFile(file, conformance.Configuration(), 0o600))
	c, err := config.Load(file)
	require.NoError(t, err)
	options, err := c.Options()
	require.NoError(t, err)
	v, err := engine.NewVerifier(options)
	require.NoError(t, err)
	s := server.New(server.Options{
		Verifier: v, Fanout: fanout.New(fanout.Options{}), RefusalLimit: -1, Settings: server.Settings{AllowInsecureBasic: c.InsecureBasic()},
	})
	ln := fasthttputil.NewInmemoryListener()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return ln.Dial() }}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		require.NoError(t, s.Shutdown(context.Background()))
		require.NoError(t, <-served)
		v.Close()
	})
	return transport
}

// wrong is a server that answers as another one does, but for what it changes.
type wrong struct {
	right  http.RoundTripper
	change func(status int, header http.Header, body []byte) (int, []byte)
}

func (w wrong) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := w.right.RoundTrip(r)
	if err != nil || r.URL.Path == "/time" {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.StatusCode, body = w.change(response.StatusCode, response.Header, body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func run(t *testing.T, transport http.RoundTripper, surface conformance.Surface) (conformance.Report, []conformance.Result) {
	t.Helper()
	var results []conformance.Result
	report, err := conformance.Run(context.Background(), conformance.Options{
		Client: &http.Client{Transport: transport}, Server: "http://127.0.0.1", Surface: surface,
	}, func(r conformance.Result) { results = append(results, r) })
	require.NoError(t, err)
	require.Len(t, results, report.Sent)
	return report, results
}

func TestPortcullisPasses(t *testing.T) {
	transport := serve(t)
	for surface, least := range map[conformance.Surface]int{conformance.Ably: 850, conformance.Admit: 880} {
		report, results := run(t, transport, surface)
		require.GreaterOrEqual(t, report.Sent, least)
		admitted := 0
		for _, r := range results {
			require.True(t, r.OK, "%s: want %v, got %v", r.Name, r.Want, r.Got)
			if r.Want.Code == 0 {
				admitted++
			}
		}
		require.Zero(t, report.Deviations)
		require.Greater(t, admitted, 120, "hardly any good credentials")
		require.Less(t, report.Unsent["moment"]+report.Unsent["surface"]+report.Unsent["head"], 80)
	}
}

// Every answer that a server gets wrong is reported, and no other.
func TestEveryDeviationIsReported(t *testing.T) {
	right := serve(t)
	_, all := run(t, right, conformance.Ably)
	for name, c := range map[string]struct {
		change  func(status int, header http.Header, body []byte) (int, []byte)
		deviate func(want conformance.Answer) bool
	}{
		"admits everything": {
			func(int, http.Header, []byte) (int, []byte) { return 200, []byte("[]") },
			func(want conformance.Answer) bool { return want.Code != 0 },
		},
		"admits everything, and leaves the header of the refusal": {
			func(_ int, header http.Header, _ []byte) (int, []byte) {
				header.Del("X-Ably-Errorcode")
				return 204, nil
			},
			func(want conformance.Answer) bool { return want.Code != 0 },
		},
		"refuses everything as a bad token": {
			func(int, http.Header, []byte) (int, []byte) { return 401, []byte(`{"error":{"code":40144}}`) },
			func(want conformance.Answer) bool { return want != conformance.Answer{Status: 401, Code: 40144} },
		},
		"answers 40142 for 40144": {
			func(status int, _ http.Header, body []byte) (int, []byte) {
				return status, bytes.Replace(body, []byte(`"code":40144`), []byte(`"code":40142`), 1)
			},
			func(want conformance.Answer) bool { return want.Code == 40144 },
		},
		"has the right codes with another status": {
			func(status int, _ http.Header, body []byte) (int, []byte) {
				if status == 401 {
					status = 403
				}
				return status, body
			},
			func(want conformance.Answer) bool { return want.Status == 401 },
		},
		"fails": {
			func(int, http.Header, []byte) (int, []byte) { return 500, []byte("oops") },
			func(conformance.Answer) bool { return true },
		},
	} {
		t.Run(name, func(t *testing.T) {
			report, results := run(t, wrong{right, c.change}, conformance.Ably)
			require.Len(t, results, len(all))
			deviations := 0
			for _, r := range results {
				require.Equal(t, !c.deviate(r.Want), r.OK, "%s: want %v, got %v", r.Name, r.Want, r.Got)
				if !r.OK {
					deviations++
				}
			}
			require.NotZero(t, deviations)
			require.Equal(t, deviations, report.Deviations)
		})
	}
}

func TestAServerThatCannotBeAsked(t *testing.T) {
	for name, o := range map[string]conformance.Options{
		"unreachable": {Client: &http.Client{Transport: broken{}}, Server: "http://127.0.0.1"},
		"no clock":    {Client: &http.Client{Transport: serve(t)}, Server: "http://127.0.0.1/elsewhere"},
	} {
		o.Surface = conformance.Ably
		report, err := conformance.Run(context.Background(), o, func(conformance.Result) { require.Fail(t, "nothing was to be sent") })
		require.ErrorIs(t, err, conformance.ErrUnreachable, name)
		require.Zero(t, report.Sent)
	}
}

type broken struct{}

func (broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("broken") }

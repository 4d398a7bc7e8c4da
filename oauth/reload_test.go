package oauth_test

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/oauth"
	"portcullis/store/memory"
)

const reloadNow = engine.UnixMilli(1_700_000_100_000)

// introspections is how many are made while the services change: a million in the
// long run.
func introspections() int64 {
	if os.Getenv("PORTCULLIS_LONG") != "" {
		return 1_000_000
	}
	return 20_000
}

// newProvider returns a Provider on a store in memory.
func newProvider(t testing.TB, cacheBytes int64) *oauth.Provider {
	t.Helper()
	seal, err := engine.NewSealSecret("a sealing secret of this very test, long enough")
	require.NoError(t, err)
	v, err := engine.NewVerifier(engine.Options{Seal: []engine.SealSecret{seal}, CacheBytes: cacheBytes})
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return oauth.NewProvider(v, memory.New(memory.Options{Now: func() engine.UnixMilli { return reloadNow }}))
}

// reloaded is the service under one of its configurations. All that differs differs
// together: the secret, the client's alias, its name and what it may do.
func reloaded(name string) oauth.ServiceConfig {
	return oauth.ServiceConfig{
		ID: 1415, APISecret: engine.Secret("api-secret-of-" + name + "-0123"), AccessToken: engine.Secret("access-token-of-" + name), Issuer: "https://as.example.com",
		TokenSecret: engine.Secret("token-secret-of-" + name + "-0123456789abcdef"), ClientIDAliasEnabled: true,
		Clients: []oauth.ClientConfig{{
			ID: 17201083166161, Name: name, Alias: "alias-of-" + name, AliasEnabled: true, Secret: engine.Secret("client-secret-of-" + name),
			RedirectURIs: []string{"https://client.example.org/" + name}, Scopes: []string{name},
		}},
	}
}

// TestIntrospectionsWhileServicesChange introspects the tokens of two configurations
// while one takes the other's place without pause. Every answer must be wholly that
// of one of them.
func TestIntrospectionsWhileServicesChange(t *testing.T) {
	p := newProvider(t, 1<<20)
	names := [2]string{"one", "two"}
	var services [2]oauth.ServiceConfig
	var tokens [2]string
	for i, name := range names {
		services[i] = reloaded(name)
		require.NoError(t, p.Replace(services[i:i+1], oauth.Rules{}, nil))
		s, err := p.ByToken("access-token-of-" + name)
		require.NoError(t, err)
		answer, err := s.Token(t.Context(), &oauth.TokenRequest{
			Parameters: "grant_type=client_credentials", Credentials: oauth.Credentials{ID: "17201083166161", Secret: "client-secret-of-" + name},
		}, reloadNow)
		require.NoError(t, err)
		tokens[i] = answer.JWTAccessToken
	}
	var made, accepted, refused, changes atomic.Int64
	target := introspections()
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			var w oauth.Introspection
			for n := 0; made.Load() < target && !t.Failed(); n++ {
				i := (n + worker) % 2
				s, err := p.ByKey("1415", "api-secret-of-"+names[i]+"-0123")
				if err != nil {
					s, err = p.ByKey("1415", "api-secret-of-"+names[1-i]+"-0123")
					if err != nil {
						continue // it changed in between: the caller's secret is another one
					}
				}
				made.Add(1)
				// Which snapshot s is of, it must say of itself in everything.
				auth := s.Authorize(&oauth.AuthorizationRequest{Parameters: "response_type=code&client_id=17201083166161"}, reloadNow)
				of := auth.Client.ClientName
				if auth.Client.ClientIDAlias != "alias-of-"+of || len(auth.Scopes) != 1 || auth.Scopes[0].Name != of {
					t.Errorf("an authorization mixes two configurations: %+v %+v", auth.Client, auth.Scopes)
				}
				answer, _ := s.Introspect(&w, &oauth.IntrospectionRequest{Token: tokens[i]}, reloadNow)
				switch {
				case of == names[i] && answer.Action == oauth.OK && answer.ClientIDAlias == "alias-of-"+of:
					accepted.Add(1)
				case of != names[i] && answer.Action == oauth.Unauthorized && answer.ClientID == 0:
					refused.Add(1)
				default:
					t.Errorf("under %s the token of %s is answered %s, %+v", of, names[i], answer.Action, answer.TokenSummary)
				}
			}
		})
	}
	workers.Go(func() {
		for i := 0; made.Load() < target && !t.Failed(); i++ {
			if err := p.Replace(services[i%2:i%2+1], oauth.Rules{}, nil); err != nil {
				t.Error(err)
			}
			changes.Add(1)
		}
	})
	workers.Wait()
	require.Positive(t, accepted.Load())
	require.Positive(t, refused.Load())
	require.Greater(t, changes.Load(), int64(10))
	t.Logf("%d introspections during %d changes: %d accepted, %d refused, each by one configuration", made.Load(), changes.Load(), accepted.Load(), refused.Load())
}

func BenchmarkIntrospection(b *testing.B) {
	for _, kind := range []string{"jwt", "opaque"} {
		for _, cache := range []string{"off", "hit"} {
			b.Run("kind="+kind+"/cache="+cache, func(b *testing.B) {
				cacheBytes := int64(0)
				if cache == "hit" {
					cacheBytes = 1 << 20
				}
				p := newProvider(b, cacheBytes)
				require.NoError(b, p.Replace([]oauth.ServiceConfig{reloaded("one")}, oauth.Rules{}, nil))
				s, err := p.ByToken("access-token-of-one")
				require.NoError(b, err)
				issued, err := s.Token(b.Context(), &oauth.TokenRequest{
					Parameters: "grant_type=client_credentials", Credentials: oauth.Credentials{ID: "alias-of-one", Secret: "client-secret-of-one"},
				}, reloadNow)
				require.NoError(b, err)
				token := issued.JWTAccessToken
				if kind == "opaque" {
					token = issued.AccessToken
				}
				var w oauth.Introspection
				request := oauth.IntrospectionRequest{Token: token, Scopes: []string{"one"}}
				b.ReportAllocs()
				for b.Loop() {
					if answer, _ := s.Introspect(&w, &request, reloadNow); answer.Action != oauth.OK {
						b.Fatal(answer.ResultMessage)
					}
				}
			})
		}
	}
}

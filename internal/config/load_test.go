package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
)

func load(t *testing.T, s Source) Config {
	t.Helper()
	c, err := s.Load()
	require.NoError(t, err)
	return c
}

func TestDefaults(t *testing.T) {
	c := load(t, Source{Path: write(t, "c.yaml", good)})
	require.Equal(t, Address("127.0.0.1:8080"), c.Server.Listen)
	require.Equal(t, Address("127.0.0.1:8090"), c.Server.AdminListen)
	require.True(t, c.InsecureBasic(), "loopback")
	require.Equal(t, Log{}, c.Log)
	require.Equal(t, "info", c.Log.Level.String())
	require.Equal(t, "json", c.Log.Format.String())
	require.Empty(t, c.Warnings)
	o, err := c.Options()
	require.NoError(t, err)
	require.Equal(t, engine.Options{
		Keys:       []engine.Key{{Name: "app.k1", Secret: canary}},
		Tokens:     engine.TokenRules{MaxTTL: 24 * time.Hour, RevocableMaxTTL: time.Hour},
		CacheBytes: 256 << 20,
	}, o)
}

func TestEveryValueArrives(t *testing.T) {
	c := load(t, Source{Path: write(t, "c.yaml", `
server:
  listen: ":8080"
  admin_listen: "[::1]:9"
  allow_insecure_basic: false
  trusted_proxies: [10.0.0.0/8, 192.0.2.1, "2001:db8::/32"]
  max_connections: 10
  max_connections_per_ip: 3
apps:
  - id: 1415
    keys:
      - id: 0x10
        secret: 12345678901234567890
        capability: {"chat:*": [subscribe, publish], a: ["*"]}
        revocable_tokens: true
        state: verify_only
        not_after: 2999-01-02T03:04:05.678+01:00
        restrictions: {origins: ["https://app.example.com", "http://localhost:3000"], ips: [192.0.2.7, "::1"]}
      - id: k2
        secret: "`+canary+`"
        capability: '{"b":["publish"]}'
tokens: {max_ttl: 2h, revocable_max_ttl: 30m, unknown_ably_claims: warn, allow_weak_secrets: true, spelling: documented}
cache: {max_bytes: 0}
log: {level: debug, format: text}
`)})
	require.False(t, c.InsecureBasic())
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32")}, Prefixes(c.Server.TrustedProxies))
	require.Equal(t, Count(10), c.Server.MaxConnections)
	require.Equal(t, Count(3), c.Server.MaxConnectionsPerIP)
	require.Equal(t, Log{Level: 1, Format: Text}, c.Log)
	o, err := c.Options()
	require.NoError(t, err)
	require.Zero(t, o.CacheBytes)
	require.Equal(t, engine.TokenRules{
		MaxTTL: 2 * time.Hour, RevocableMaxTTL: 30 * time.Minute, UnknownAblyClaims: engine.WarnUnknown,
		AllowWeakSecrets: true, Spelling: engine.DocumentedSpelling,
	}, o.Tokens)
	require.Len(t, o.Keys, 2)
	k := o.Keys[0]
	require.Equal(t, "1415.0x10", k.Name, "an id is its text, whatever YAML takes it for")
	require.Equal(t, "12345678901234567890", string(k.Secret))
	require.Equal(t, `{"a":["*"],"chat:*":["publish","subscribe"]}`, k.Capability.String())
	require.True(t, k.RevocableTokens)
	require.Equal(t, engine.VerifyOnly, k.State)
	require.Equal(t, time.Date(2999, 1, 2, 2, 4, 5, 678e6, time.UTC), k.NotAfter.Time().UTC())
	require.Equal(t, engine.Restrictions{
		Origins: []string{"https://app.example.com", "http://localhost:3000"},
		IPs:     []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("::1/128")},
	}, k.Restrictions)
	require.Equal(t, `{"b":["publish"]}`, o.Keys[1].Capability.String())
}

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	path := write(t, "c.yaml", good+"server: {listen: 127.0.0.1:1, admin_listen: 127.0.0.1:2}\nlog: {level: warn}\n")
	environ := []string{"HOME=/", "PORTCULLIS_SERVER__LISTEN=127.0.0.1:3", "PORTCULLIS_LOG__LEVEL=error", "PORTCULLIS_CACHE__MAX_BYTES=1MiB", "PORTCULLIS_LOG__FORMAT="}
	flags := []Flag{{"log-level", "log.level", "debug"}}
	c := load(t, Source{Path: path, Environ: environ, Flags: flags})
	for setting, want := range map[string][2]string{
		"server.listen":       {"127.0.0.1:3", "environment PORTCULLIS_SERVER__LISTEN"},
		"server.admin_listen": {"127.0.0.1:2", path + ":6:45"},
		"log.level":           {"debug", "flag --log-level"},
		"log.format":          {"json", "default"},
		"cache.max_bytes":     {"1MiB", "environment PORTCULLIS_CACHE__MAX_BYTES"},
		"tokens.max_ttl":      {"24h", "default"},
	} {
		found := false
		for _, s := range c.Settings() {
			if s.Path == setting {
				found = true
				require.Equal(t, want, [2]string{s.Value, s.At.String()}, setting)
			}
		}
		require.True(t, found, setting)
	}
}

func TestEnvironment(t *testing.T) {
	t.Run("a whole configuration", func(t *testing.T) {
		c := load(t, Source{Path: write(t, "c.yaml", ""), Environ: []string{
			"PORTCULLIS_APPS__0__KEYS__10__ID=k10", "PORTCULLIS_APPS__0__KEYS__10__SECRET=" + canary, // sorted as numbers
			"PORTCULLIS_APPS__0__KEYS__0__ID=k0", "PORTCULLIS_APPS__0__KEYS__0__SECRET=*" + canary,
			"PORTCULLIS_APPS__0__KEYS__0__REVOCABLE_TOKENS=true", "PORTCULLIS_APPS__0__KEYS__0__CAPABILITY={\"a\":[\"publish\"]}",
			"PORTCULLIS_APPS__0__KEYS__0__RESTRICTIONS__IPS__0=10.0.0.1",
			"PORTCULLIS_APPS__0__ID=1", "PORTCULLIS_SERVER__TRUSTED_PROXIES__0=10.0.0.0/8",
			"PORTCULLIS_APPS__0__KEYS__1__ID=k1", "PORTCULLIS_APPS__0__KEYS__1__SECRET=" + canary, "PORTCULLIS_APPS__0__KEYS__2__ID=k2", "PORTCULLIS_APPS__0__KEYS__2__SECRET=" + canary,
			"PORTCULLIS_APPS__0__KEYS__3__ID=k3", "PORTCULLIS_APPS__0__KEYS__3__SECRET=" + canary, "PORTCULLIS_APPS__0__KEYS__4__ID=k4", "PORTCULLIS_APPS__0__KEYS__4__SECRET=" + canary,
			"PORTCULLIS_APPS__0__KEYS__5__ID=k5", "PORTCULLIS_APPS__0__KEYS__5__SECRET=" + canary, "PORTCULLIS_APPS__0__KEYS__6__ID=k6", "PORTCULLIS_APPS__0__KEYS__6__SECRET=" + canary,
			"PORTCULLIS_APPS__0__KEYS__7__ID=k7", "PORTCULLIS_APPS__0__KEYS__7__SECRET=" + canary, "PORTCULLIS_APPS__0__KEYS__8__ID=k8", "PORTCULLIS_APPS__0__KEYS__8__SECRET=" + canary,
			"PORTCULLIS_APPS__0__KEYS__9__ID=k9", "PORTCULLIS_APPS__0__KEYS__9__SECRET=" + canary,
		}})
		o, err := c.Options()
		require.NoError(t, err)
		require.Len(t, o.Keys, 11)
		require.Equal(t, "1.k0", o.Keys[0].Name)
		require.Equal(t, "1.k10", o.Keys[10].Name)
		require.Equal(t, "*"+canary, string(o.Keys[0].Secret))
		require.Equal(t, `{"a":["publish"]}`, o.Keys[0].Capability.String())
		require.True(t, o.Keys[0].RevocableTokens)
		require.Equal(t, "10.0.0.1/32", o.Keys[0].Restrictions.IPs[0].String())
		require.Equal(t, "10.0.0.0/8", c.Server.TrustedProxies[0].String())
	})
	t.Run("a secret that the file leaves out", func(t *testing.T) {
		c := load(t, Source{Path: write(t, "c.yaml", app("secret:")), Environ: []string{"PORTCULLIS_APPS__0__KEYS__0__SECRET=" + canary}})
		require.Equal(t, canary, string(c.Apps[0].Keys[0].Secret))
		require.Equal(t, "environment PORTCULLIS_APPS__0__KEYS__0__SECRET", c.At("apps[0].keys[0].secret").String())
	})
	t.Run("variables of container platforms", func(t *testing.T) {
		load(t, Source{Path: write(t, "c.yaml", good), Environ: []string{
			"PORTCULLIS_SERVICE_HOST=10.0.0.1", "PORTCULLIS_SERVICE_PORT=80", "PORTCULLIS_SERVICE_PORT_HTTP=80", "PORTCULLIS_PORT=tcp://10.0.0.1:80",
			"PORTCULLIS_PORT_80_TCP=tcp://10.0.0.1:80", "PORTCULLIS_PORT_80_TCP_PROTO=tcp", "PORTCULLIS_PORT_80_TCP_PORT=80", "PORTCULLIS_PORT_80_TCP_ADDR=10.0.0.1",
		}})
	})
	for variable, want := range map[string]string{
		"PORTCULLIS_SERVER__LISTN=" + canary:               "environment PORTCULLIS_SERVER__LISTN: unknown environment variable: did you mean PORTCULLIS_SERVER__LISTEN?",
		"PORTCULLIS_SERVER_LISTEN=" + canary:               "environment PORTCULLIS_SERVER_LISTEN: unknown environment variable: did you mean PORTCULLIS_SERVER__LISTEN?",
		"PORTCULLIS_server__listen=" + canary:              "environment PORTCULLIS_server__listen: unknown environment variable: did you mean PORTCULLIS_SERVER__LISTEN?",
		"PORTCULLIS_APPS__0__KEYS__7__SECRT=" + canary:     "environment PORTCULLIS_APPS__0__KEYS__7__SECRT: unknown environment variable: did you mean PORTCULLIS_APPS__0__KEYS__7__SECRET?",
		"PORTCULLIS_LOG__LEVEL__X=" + canary:               "environment PORTCULLIS_LOG__LEVEL__X: unknown environment variable: did you mean PORTCULLIS_LOG__LEVEL?",
		"PORTCULLIS_QQQQQQQQQQQQQQQQQQQQQQQQQ=" + canary:   "environment PORTCULLIS_QQQQQQQQQQQQQQQQQQQQQQQQQ: unknown environment variable",
		"PORTCULLIS_STORE=memory":                          `environment PORTCULLIS_STORE: store: "memory" is neither memory: nor bolt:PATH`,
		"PORTCULLIS_FORWARD_AUTH=x":                        "environment PORTCULLIS_FORWARD_AUTH: this version does not serve it",
		"PORTCULLIS_LOG=" + canary:                         "environment PORTCULLIS_LOG: not a single value: there are PORTCULLIS_LOG__LEVEL, PORTCULLIS_LOG__FORMAT",
		"PORTCULLIS_SERVER__TRUSTED_PROXIES=10.0.0.0/8":    "environment PORTCULLIS_SERVER__TRUSTED_PROXIES: not a single value: there are PORTCULLIS_SERVER__TRUSTED_PROXIES__0",
		"PORTCULLIS_SERVER__TRUSTED_PROXIES__X=10.0.0.0/8": "environment PORTCULLIS_SERVER__TRUSTED_PROXIES__X: a list: name one of its elements by its index, from 0, after PORTCULLIS_SERVER__TRUSTED_PROXIES__",
		"PORTCULLIS_SERVER__TRUSTED_PROXIES__1=10.0.0.0/8": "environment PORTCULLIS_SERVER__TRUSTED_PROXIES__1: index 1, but the list has 0 elements, and elements are added one after the other",
		"PORTCULLIS_LOG__LEVEL=loud":                       `environment PORTCULLIS_LOG__LEVEL: log.level: "loud" is none of info, debug, warn, error`,
		"PORTCULLIS_APPS__0__KEYS__0__SECRET=short":        "environment PORTCULLIS_APPS__0__KEYS__0__SECRET: apps[0].keys[0].secret: secret shorter than 16 bytes",
		"PORTCULLIS_TOKENS__ALLOW_WEAK_SECRETS=1":          "environment PORTCULLIS_TOKENS__ALLOW_WEAK_SECRETS: tokens.allow_weak_secrets: true or false is needed",
	} {
		t.Run(variable, func(t *testing.T) {
			require.Equal(t, []string{want}, problems(t, Source{Path: write(t, "c.yaml", good), Environ: []string{variable}}))
		})
	}
	t.Run("a flag", func(t *testing.T) {
		s := Source{Path: write(t, "c.yaml", good), Flags: []Flag{{"listen", "server.listen", "here"}}}
		require.Equal(t, []string{`flag --listen: server.listen: "here" is not an address such as 127.0.0.1:8080`}, problems(t, s))
	})
}

func TestSecretFiles(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		want    string // the secret, or the problem
	}{
		"as it is":                {canary, 0o600, canary},
		"one newline goes":        {canary + "\n", 0o400, canary},
		"a newline of Windows":    {canary + "\r\n", 0o600, canary},
		"only one":                {canary + "\n\n", 0o600, canary + "\n"},
		"blanks stay":             {" " + canary + " \n", 0o600, " " + canary + " "},
		"readable for the group":  {canary, 0o640, "c.yaml:5:22: apps[0].keys[0].secret_file: secret has mode 0640, so others can read it: chmod 0600"},
		"readable for everybody":  {canary, 0o604, "c.yaml:5:22: apps[0].keys[0].secret_file: secret has mode 0604, so others can read it: chmod 0600"},
		"writable for the group":  {canary, 0o620, "c.yaml:5:22: apps[0].keys[0].secret_file: secret has mode 0620, so others can read it: chmod 0600"},
		"empty":                   {"\n", 0o600, "c.yaml:5:22: apps[0].keys[0].secret_file: the file is empty"},
		"a short secret":          {"short\n", 0o600, "c.yaml:5:22: apps[0].keys[0].secret_file: secret shorter than 16 bytes"},
		"a secret known to all":   {"changemechangeme\n", 0o600, "c.yaml:5:22: apps[0].keys[0].secret_file: secret published in documentation or samples, so known to everybody"},
		"larger than any of them": {strings.Repeat("x", maxFileBytes+1), 0o600, "c.yaml:5:22: apps[0].keys[0].secret_file: secret is larger than 4 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "c.yaml", app("secret_file: secret"))
			writeMode(t, filepath.Join(filepath.Dir(path), "secret"), c.content, c.mode)
			loaded, err := Source{Path: path}.Load()
			if err != nil {
				require.Equal(t, []string{c.want}, problems(t, Source{Path: path}))
				return
			}
			require.Equal(t, c.want, string(loaded.Apps[0].Keys[0].Secret))
			require.Equal(t, []string{path, filepath.Join(filepath.Dir(path), "secret")}, loaded.Files)
		})
	}
}

func TestASecretThatEverybodyCanReadIsWarnedOf(t *testing.T) {
	warnings := func(s Source) (messages []string) {
		for _, w := range load(t, s).Warnings {
			messages = append(messages, strings.TrimPrefix(w.String(), filepath.Dir(s.Path)+"/"))
		}
		return messages
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "c.yaml")
	writeMode(t, path, good, 0o644)
	require.Equal(t, []string{"c.yaml:5:17: apps[0].keys[0].secret: the file has mode 0644, so everybody can read this secret: chmod 0640, or use secret_file"}, warnings(Source{Path: path}))
	writeMode(t, path, good, 0o640)
	require.Empty(t, warnings(Source{Path: path}), "a group may be that of the server")
	writeMode(t, filepath.Join(dir, "secret"), canary, 0o600)
	writeMode(t, path, app("secret_file: secret"), 0o644)
	require.Empty(t, warnings(Source{Path: path}), "no secret in it")
	writeMode(t, path, app("secret:"), 0o644)
	require.Empty(t, warnings(Source{Path: path, Environ: []string{"PORTCULLIS_APPS__0__KEYS__0__SECRET=" + canary}}), "no secret in it")
}

func TestAdminToken(t *testing.T) {
	dir := t.TempDir()
	path := writeMode(t, filepath.Join(dir, "c.yaml"), good+"server:\n  admin_listen: 0.0.0.0:8090\n  admin_token_file: token\n", 0o600)
	for content, want := range map[string]string{
		"0123456789abcde\n":           "c.yaml:8:21: server.admin_token_file: the token is shorter than 16 bytes",
		"0123456789abcdef 0123456789": "c.yaml:8:21: server.admin_token_file: the token holds characters that no bearer token may hold (RFC 6750 §2.1)",
		"0123456789abcdef\n":          "",
	} {
		writeMode(t, filepath.Join(dir, "token"), content, 0o600)
		if want == "" {
			require.Equal(t, "0123456789abcdef", string(load(t, Source{Path: path}).AdminToken))
			continue
		}
		require.Equal(t, []string{want}, problems(t, Source{Path: path}))
	}
}

// writeCertificate writes a self-signed certificate and its key.
func writeCertificate(t *testing.T, dir string, expires time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: expires.Add(-1000 * time.Hour), NotAfter: expires, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	writeMode(t, filepath.Join(dir, "cert"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
	writeMode(t, filepath.Join(dir, "key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), 0o600)
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	path := writeMode(t, filepath.Join(dir, "c.yaml"), good+"server:\n  tls: {cert_file: cert, key_file: key}\n", 0o600)
	writeCertificate(t, dir, time.Now().Add(100*24*time.Hour))
	c := load(t, Source{Path: path})
	require.Equal(t, []string{"localhost"}, c.Certificate.Leaf.DNSNames)
	require.Equal(t, []string{path, filepath.Join(dir, "cert"), filepath.Join(dir, "key")}, c.Files)

	require.NoError(t, os.Chmod(filepath.Join(dir, "key"), 0o644))
	require.Equal(t, []string{"c.yaml:7:36: server.tls.key_file: key has mode 0644, so others can read it: chmod 0640"}, problems(t, Source{Path: path}))

	old, err := os.ReadFile(filepath.Join(dir, "cert"))
	require.NoError(t, err)
	writeCertificate(t, dir, time.Now().Add(100*24*time.Hour))
	writeMode(t, filepath.Join(dir, "cert"), string(old), 0o644)
	require.Equal(t, []string{"c.yaml:7:8: server.tls: private key does not match public key"}, problems(t, Source{Path: path}))
}

func TestWarnings(t *testing.T) {
	const public = "server: {listen: 0.0.0.0:80}\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"short lives":           {good + "tokens: {max_ttl: 9m59s}\n", []string{"c.yaml:6:19: tokens.max_ttl: shorter than 10m0s: tokens with the usual lifetime of an hour are refused"}},
		"ten minutes":           {good + "tokens: {max_ttl: 10m, revocable_max_ttl: 10m}\n", nil},
		"revocable lives":       {good + "tokens: {max_ttl: 30m, revocable_max_ttl: 1h}\n", []string{"c.yaml:6:43: tokens.revocable_max_ttl: longer than tokens.max_ttl, which holds for every token"}},
		"characters":            {app(`secret: "0123456789.abcdef"`), []string{"c.yaml:5:17: apps[0].keys[0].secret: holds characters other than letters, digits, - and _: some SDKs refuse such a key"}},
		"keys in clear":         {good + "server: {listen: 0.0.0.0:80, allow_insecure_basic: true}\n", []string{"c.yaml:6:18: server.listen: reachable from other hosts without TLS: have a proxy add it, or set server.tls", "c.yaml:6:52: server.allow_insecure_basic: API keys are accepted in clear from other hosts"}},
		"no TLS":                {good + public, []string{"c.yaml:6:18: server.listen: reachable from other hosts without TLS: have a proxy add it, or set server.tls"}},
		"weak secrets":          {app("secret: short") + "tokens: {allow_weak_secrets: true}\n", []string{"c.yaml:6:30: tokens.allow_weak_secrets: secrets that can be guessed are accepted: whoever guesses one makes his own tokens"}},
		"unknown claims":        {good + "tokens: {unknown_ably_claims: ignore}\n", []string{"c.yaml:6:31: tokens.unknown_ably_claims: a misspelt x-ably-capability grants the key's full rights, and nothing tells"}},
		"a key of the past":     {good + "      - {id: k2, secret: " + canary + ", not_after: 2001-01-01T00:00:00Z}\n", []string{"c.yaml:6:62: apps[0].keys[1].not_after: in the past: the key is good for nothing"}},
		"every key is disabled": {app(secretLine, "state: disabled"), []string{"c.yaml:2:3: apps: no key admits anybody: all are disabled, revoked or past not_after"}},
		"no cache":              {good + "cache: {max_bytes: 0}\n", []string{"c.yaml:6:20: cache.max_bytes: no cache: every token is verified in full, every time"}},
		"everybody's proxy":     {good + "server: {trusted_proxies: [0.0.0.0/0]}\n", []string{"c.yaml:6:28: server.trusted_proxies[0]: everybody is a trusted proxy, so everybody can claim any address"}},
		"grants nothing":        {app(secretLine, "capability: {}"), []string{"c.yaml:6:21: apps[0].keys[0].capability: grants nothing, so every token of the key is refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "c.yaml", c.text)
			var got []string
			for _, w := range load(t, Source{Path: path}).Warnings {
				got = append(got, strings.TrimPrefix(w.String(), filepath.Dir(path)+"/"))
				require.NotContains(t, w.String(), canary)
			}
			require.Equal(t, c.want, got)
		})
	}
	t.Run("writable for everybody", func(t *testing.T) {
		dir := t.TempDir()
		writeMode(t, filepath.Join(dir, "secret"), canary, 0o600)
		c := load(t, Source{Path: writeMode(t, filepath.Join(dir, "c.yaml"), app("secret_file: secret"), 0o646)})
		require.Len(t, c.Warnings, 1)
		require.Equal(t, "everybody may write the file, and so add keys: chmod 0640", c.Warnings[0].Message)
	})
	t.Run("a certificate that ends soon", func(t *testing.T) {
		dir := t.TempDir()
		path := writeMode(t, filepath.Join(dir, "c.yaml"), good+"server:\n  tls: {cert_file: cert, key_file: key}\n", 0o600)
		expires := time.Now().Add(13 * 24 * time.Hour)
		writeCertificate(t, dir, expires)
		c := load(t, Source{Path: path})
		require.Len(t, c.Warnings, 1)
		require.Equal(t, "the certificate expires on "+expires.UTC().Format(time.RFC3339), c.Warnings[0].Message)
	})
}

func TestThePrintedConfigurationLoadsAgain(t *testing.T) {
	dir := t.TempDir()
	writeMode(t, filepath.Join(dir, "secret"), canary, 0o600)
	path := writeMode(t, filepath.Join(dir, "c.yaml"), app("secret_file: secret", `restrictions: {origins: ["https://a.example"], ips: ["::1"]}`, "not_after: 2999-01-01T00:00:00Z", "capability: {a: [publish]}")+
		"tokens: {max_ttl: 90m, spelling: documented}\nserver: {trusted_proxies: [10.0.0.0/8], allow_insecure_basic: false}\n", 0o600)
	for _, sources := range []bool{false, true} {
		c := load(t, Source{Path: path})
		text, err := c.YAML(sources)
		require.NoError(t, err)
		require.NotContains(t, string(text), canary)
		require.Equal(t, sources, strings.Contains(string(text), "# default"), string(text))
		again := load(t, Source{Path: writeMode(t, filepath.Join(dir, "again.yaml"), string(text), 0o600)})
		require.Equal(t, meaning(&c), meaning(&again))
	}
}

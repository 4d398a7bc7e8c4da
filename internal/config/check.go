package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"portcullis/engine"
)

// What a file with secrets must not be, for others than its owner: a file of one
// secret concerns nobody else; a configuration file or a TLS key may belong to a
// group that the server runs in.
const (
	secretFileForbids os.FileMode = 0o077
	sharedFileForbids os.FileMode = 0o007
)

// shortLife is below what SDKs renew without haste.
const shortLife = 10 * time.Minute

// checker finds what is wrong with several values together, and reads the files
// that the configuration names.
type checker struct {
	*Config
	problems []Problem
	warnings []Problem
	dir      string
	top      Position
	mode     os.FileMode
}

func (c *checker) all() {
	c.server()
	c.tls()
	c.adminToken()
	c.sandbox()
	c.apps()
	c.fileMode()
	c.tokens()
	c.sealSecrets()
	c.services()
	if c.Cache.MaxBytes == 0 {
		c.warn("cache.max_bytes", "no cache: every token is verified in full, every time")
	}
	if runtime.GOOS != "windows" && c.mode&0o002 != 0 {
		c.warn("", "everybody may write the file, and so add keys: chmod %04o", c.mode&^sharedFileForbids)
	}
	if len(c.problems) == 0 {
		c.engine()
	}
}

// place returns where path was given, or else what it is part of.
func (c *checker) place(path string) Position {
	for path != "" {
		if at, ok := c.at[path]; ok {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return c.top
}

// wrong notes a problem, unless one is known with the same value.
func (c *checker) wrong(path, format string, args ...any) {
	if c.sound(path) {
		c.problems = append(c.problems, Problem{c.place(path), path, fmt.Sprintf(format, args...)})
	}
}

func (c *checker) warn(path, format string, args ...any) {
	if c.sound(path) {
		c.warnings = append(c.warnings, Problem{c.place(path), path, fmt.Sprintf(format, args...)})
	}
}

// sound says that nothing wrong is known at path or below.
func (c *checker) sound(path string) bool {
	for _, p := range c.problems {
		if rest, ok := strings.CutPrefix(p.Path, path); ok && path != "" && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return false
		}
	}
	return true
}

func (c *checker) server() {
	s := &c.Server
	public, admin := IsLoopback(string(s.Listen)), IsLoopback(string(s.AdminListen))
	if s.Listen == s.AdminListen && !strings.HasSuffix(string(s.Listen), ":0") {
		c.wrong("server.admin_listen", "the same address as server.listen")
	}
	if !admin && s.AdminTokenFile == "" {
		c.wrong("server.admin_listen", "reachable from other hosts without a token: set server.admin_token_file, or listen on 127.0.0.1")
	}
	if !admin && s.AdminTokenFile != "" {
		c.warn("server.admin_listen", "reachable from other hosts, without TLS: whoever listens on the way reads the admin token")
	}
	if !public && s.TLS == (TLS{}) {
		c.warn("server.listen", "reachable from other hosts without TLS: have a proxy add it, or set server.tls")
	}
	if !public && s.TLS == (TLS{}) && c.InsecureBasic() {
		c.warn("server.allow_insecure_basic", "API keys are accepted in clear from other hosts")
	}
	for i, p := range s.TrustedProxies {
		if p.IsValid() && p.Bits() == 0 {
			c.warn(fmt.Sprintf("server.trusted_proxies[%d]", i), "everybody is a trusted proxy, so everybody can claim any address")
		}
	}
}

// file reads a file that the configuration names, relative to its own directory,
// and notes what is wrong with it.
func (c *checker) file(path, name string, forbidden os.FileMode) (text []byte, ok bool) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(c.dir, name)
	}
	c.Files = append(c.Files, name)
	if runtime.GOOS == "windows" {
		forbidden = 0
	}
	text, _, err := readFile(name, forbidden)
	if err != nil {
		c.wrong(path, "%s %v", name, err)
		return nil, false
	}
	return text, true
}

// secretFile reads a file of one secret. One newline at its end is not part of
// the secret.
func (c *checker) secretFile(path, name string) (engine.Secret, bool) {
	text, ok := c.file(path, name, secretFileForbids)
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if ok && secret == "" {
		c.wrong(path, "the file is empty")
		return "", false
	}
	return engine.Secret(secret), ok
}

func (c *checker) tls() {
	t := c.Server.TLS
	if t == (TLS{}) {
		return
	}
	if t.CertFile == "" || t.KeyFile == "" {
		c.wrong("server.tls", "cert_file and key_file go together")
		return
	}
	cert, certOK := c.file("server.tls.cert_file", t.CertFile, 0)
	key, keyOK := c.file("server.tls.key_file", t.KeyFile, sharedFileForbids)
	if !certOK || !keyOK {
		return
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		c.wrong("server.tls", "%s", strings.TrimPrefix(err.Error(), "tls: "))
		return
	}
	c.Certificate = &pair
	switch left := time.Until(pair.Leaf.NotAfter); {
	case left <= 0:
		c.warn("server.tls.cert_file", "the certificate expired on %s", pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	case left < 14*24*time.Hour:
		c.warn("server.tls.cert_file", "the certificate expires on %s", pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
}

func (c *checker) adminToken() {
	const path = "server.admin_token_file"
	if c.Server.AdminTokenFile == "" {
		return
	}
	token, ok := c.secretFile(path, c.Server.AdminTokenFile)
	if !ok {
		return
	}
	switch text := string(token); {
	case len(text) < engine.MinSecretBytes:
		c.wrong(path, "the token is shorter than %d bytes", engine.MinSecretBytes)
	case strings.ContainsFunc(text, func(r rune) bool { return !isLetter(r) && !strings.ContainsRune("._~+/=", r) }):
		c.wrong(path, "the token holds characters that no bearer token may hold (RFC 6750 §2.1)")
	}
	c.AdminToken = token
}

// sandbox checks who may make sandbox apps.
func (c *checker) sandbox() {
	s := &c.Server
	switch {
	case s.SandboxToken != "" && s.SandboxTokenFile != "":
		c.wrong("server.sandbox_token_file", "both sandbox_token and sandbox_token_file: one of them is to go")
	case s.SandboxTokenFile != "":
		s.SandboxToken, _ = c.secretFile("server.sandbox_token_file", s.SandboxTokenFile)
	}
	if s.SandboxToken != "" && len(s.SandboxToken) < engine.MinSecretBytes {
		c.wrong("server.sandbox_token", "shorter than %d bytes", engine.MinSecretBytes)
	}
	if s.Sandbox && s.SandboxToken == "" && !IsLoopback(string(s.Listen)) && c.sound("server.sandbox_token_file") {
		c.wrong("server.sandbox", "everybody could make apps: set server.sandbox_token, or listen on 127.0.0.1")
	}
}

// sealSecrets checks the secrets that issued tokens are sealed with; a file holds
// one a line.
func (c *checker) sealSecrets() {
	t := &c.Tokens
	at := "tokens.seal_secrets"
	switch {
	case len(t.SealSecrets) > 0 && t.SealSecretsFile != "":
		c.wrong("tokens.seal_secrets_file", "both seal_secrets and seal_secrets_file: one of them is to go")
		return
	case t.SealSecretsFile != "":
		at = "tokens.seal_secrets_file"
		text, ok := c.secretFile(at, t.SealSecretsFile)
		if !ok {
			return
		}
		for _, line := range strings.Split(string(text), "\n") {
			t.SealSecrets = append(t.SealSecrets, engine.Secret(strings.TrimSuffix(line, "\r")))
		}
	}
	seen := make(map[engine.Secret]bool)
	for i, secret := range t.SealSecrets {
		path := fmt.Sprintf("%s[%d]", at, i)
		if _, err := engine.NewSealSecret(secret); err != nil {
			c.wrong(path, "shorter than %d bytes", engine.MinSealSecretBytes)
		}
		if seen[secret] {
			c.wrong(path, "the same secret twice")
		}
		seen[secret] = true
	}
	for i, app := range c.Apps {
		for j, k := range app.Keys {
			if seen[k.Secret] && k.Secret != "" {
				c.wrong(fmt.Sprintf("apps[%d].keys[%d].secret", i, j), "also a sealing secret: its holder could seal tokens")
			}
		}
	}
}

func isLetter(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}

func (c *checker) tokens() {
	t := c.Tokens
	for path, ttl := range map[string]time.Duration{"tokens.max_ttl": t.MaxTTL, "tokens.revocable_max_ttl": t.RevocableMaxTTL} {
		switch {
		case ttl < time.Second:
			c.wrong(path, "shorter than a second")
		case ttl < shortLife:
			c.warn(path, "shorter than %v: tokens with the usual lifetime of an hour are refused", shortLife)
		}
	}
	if t.RevocableMaxTTL > engine.DefaultRevocableMaxTTL {
		// A revocation is forgotten when no token is left that it refuses.
		c.wrong("tokens.revocable_max_ttl", "longer than an hour: revocations are not kept for longer, so a token would outlive its own")
	}
	if t.RevocableMaxTTL > t.MaxTTL && !c.At("tokens.revocable_max_ttl").IsDefault() {
		c.warn("tokens.revocable_max_ttl", "longer than tokens.max_ttl, which holds for every token")
	}
	if engine.UnknownAblyClaims(t.UnknownAblyClaims) == engine.IgnoreUnknown {
		c.warn("tokens.unknown_ably_claims", "a misspelt x-ably-capability grants the key's full rights, and nothing tells")
	}
	if t.AllowWeakSecrets {
		c.warn("tokens.allow_weak_secrets", "secrets that can be guessed are accepted: whoever guesses one makes his own tokens")
	}
}

// fileMode warns of a configuration file that shows a secret to everybody. It is
// not refused: the usual umask makes such files, and a server that does not start
// protects nobody (docs/adr/0005-configuration-file-mode.md). Files that hold
// nothing but a secret are refused, see secretFile.
func (c *checker) fileMode() {
	if runtime.GOOS == "windows" || c.mode&sharedFileForbids == 0 {
		return
	}
	for i, app := range c.Apps {
		for j := range app.Keys {
			path := fmt.Sprintf("apps[%d].keys[%d].secret", i, j)
			if c.readable(path) {
				return
			}
		}
	}
	for i, s := range c.Services {
		path := fmt.Sprintf("services[%d]", i)
		if c.readable(path+".api_secret") || c.readable(path+".access_token") || c.readable(path+".token_secret") {
			return
		}
		for j := range s.Clients {
			if c.readable(fmt.Sprintf("%s.clients[%d].secret", path, j)) {
				return
			}
		}
	}
}

// readable warns of a secret that stands in the file, if it does.
func (c *checker) readable(path string) bool {
	at, given := c.at[path]
	if !given || at.Outside != "" {
		return false
	}
	c.warn(path, "the file has mode %04o, so everybody can read this secret: chmod %04o, or use secret_file", c.mode, c.mode&^sharedFileForbids)
	return true
}

// engine has the engine itself try what Options returns.
func (c *checker) engine() {
	o, err := c.Options()
	o.CacheBytes = 0
	if err == nil {
		var v *engine.Verifier
		if v, err = engine.NewVerifier(o); err == nil {
			v.Close()
			return
		}
	}
	c.wrong("", "%v", err)
}

// innermost is the error at the end of a chain.
func innermost(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}

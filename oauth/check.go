package oauth

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"portcullis/engine"
)

// Limits on services and clients.
const (
	MaxID            = 1<<53 - 1 // JavaScript rounds beyond it
	MaxAliasBytes    = 255
	maxCodeTTL       = 10 * time.Minute // RFC 6749 §4.1.2
	maxTTL           = 10 * 365 * 24 * time.Hour
	maxRedirectBytes = 1024
	maxScopeBytes    = 128
)

// Fault is one thing that is wrong with the configuration of services, or that is
// allowed and probably not meant. It holds no secret.
type Fault struct {
	Path    string // services[0].clients[1].alias
	Message string
}

// Error returns the fault as one line.
func (f Fault) Error() string { return f.Path + ": " + f.Message }

// Rules are what is asked of a configuration.
type Rules struct {
	AllowWeakSecrets bool // accept credentials that are short
}

// Check says what is wrong with services, and what is doubtful.
func Check(services []ServiceConfig, rules Rules) (faults, warnings []Fault) {
	c := &checker{rules: rules, secrets: make(map[engine.Secret]string)}
	ids, bearers := make(map[uint64]bool), make(map[engine.Secret]bool)
	for i := range services {
		s, path := &services[i], fmt.Sprintf("services[%d]", i)
		switch {
		case s.ID == 0 || s.ID > MaxID:
			c.wrong(path+".id", "a service needs an id from 1 to %d", uint64(MaxID))
		case ids[s.ID]:
			c.wrong(path+".id", "the service %d a second time", s.ID)
		}
		ids[s.ID] = true
		if s.AccessToken != "" {
			if bearers[s.AccessToken] {
				c.wrong(path+".access_token", "the access token of another service")
			}
			bearers[s.AccessToken] = true
		}
		c.service(s, path)
	}
	for i := range services { // when all secrets are known
		s, path := &services[i], fmt.Sprintf("services[%d].token_secret", i)
		switch owner, used := c.secrets[s.TokenSecret]; {
		case s.TokenSecret == "":
		case used:
			c.wrong(path, "also %s: whoever knows it could mint access tokens", owner)
		default:
			c.secrets[s.TokenSecret] = fmt.Sprintf("the token secret of the service %d", s.ID)
		}
	}
	return c.faults, c.warnings
}

type checker struct {
	rules            Rules
	secrets          map[engine.Secret]string // whose it is
	faults, warnings []Fault
}

func (c *checker) wrong(path, format string, args ...any) {
	c.faults = append(c.faults, Fault{path, fmt.Sprintf(format, args...)})
}

func (c *checker) warn(path, format string, args ...any) {
	c.warnings = append(c.warnings, Fault{path, fmt.Sprintf(format, args...)})
}

// credential checks a secret that somebody presents.
func (c *checker) credential(path string, s engine.Secret, owner string) {
	switch {
	case s == "":
		c.wrong(path, "%s is missing", owner)
		return
	case len(s) < engine.MinSecretBytes && !c.rules.AllowWeakSecrets:
		c.wrong(path, "%s is shorter than %d bytes", owner, engine.MinSecretBytes)
	}
	c.secrets[s] = owner
}

func (c *checker) service(s *ServiceConfig, path string) {
	owner := fmt.Sprintf(" of the service %d", s.ID)
	c.credential(path+".api_secret", s.APISecret, "the api secret"+owner)
	if s.AccessToken != "" {
		c.credential(path+".access_token", s.AccessToken, "the access token"+owner)
		if !isToken68(string(s.AccessToken)) {
			c.wrong(path+".access_token", "holds characters that no bearer token may hold (RFC 6750 §2.1)")
		}
	}
	if len(s.TokenSecret) < engine.MinTokenSecretBytes {
		c.wrong(path+".token_secret", "shorter than %d bytes (RFC 7518 §3.2)", engine.MinTokenSecretBytes)
	}
	// RFC 8414 §2; http only where nobody else listens.
	if u, err := url.Parse(s.Issuer); err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil ||
		u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) || hasControl(s.Issuer) {
		c.wrong(path+".issuer", "want an https URL without query and fragment")
	}
	c.ttl(path+".code_ttl", s.CodeTTL, maxCodeTTL)
	c.ttl(path+".access_token_ttl", s.AccessTokenTTL, maxTTL)
	c.ttl(path+".refresh_token_ttl", s.RefreshTokenTTL, maxTTL)

	names := make(map[string]*ClientConfig) // every name that means a client, whatever the switches say
	for i := range s.Clients {
		k, at := &s.Clients[i], fmt.Sprintf("%s.clients[%d]", path, i)
		number := strconv.FormatUint(k.ID, 10)
		switch {
		case k.ID == 0 || k.ID > MaxID:
			c.wrong(at+".id", "a client needs an id from 1 to %d", uint64(MaxID))
		case names[number] != nil:
			c.wrong(at+".id", "the client %d a second time", k.ID)
		default:
			names[number] = k
		}
	}
	for i := range s.Clients {
		k, at := &s.Clients[i], fmt.Sprintf("%s.clients[%d]", path, i)
		if k.Alias != "" {
			c.alias(s, k, at+".alias", k.Alias, names)
		} else if k.AliasEnabled {
			c.warn(at+".alias_enabled", "the client %d has no alias", k.ID)
		}
		for j, retired := range k.RetiredAliases {
			if retired == k.Alias {
				c.wrong(fmt.Sprintf("%s.retired_aliases[%d]", at, j), "the client %d still has this alias", k.ID)
				continue
			}
			c.alias(s, k, fmt.Sprintf("%s.retired_aliases[%d]", at, j), retired, names)
		}
		c.client(k, at)
	}
	c.formDecodings(s, path, names)
}

func (c *checker) ttl(path string, ttl, longest time.Duration) {
	if ttl != 0 && (ttl < time.Second || ttl > longest || ttl%time.Second != 0) {
		c.wrong(path, "want whole seconds, from 1s to %s", longest)
	}
}

// alias checks one alias of a client, and that it means nobody else.
func (c *checker) alias(s *ServiceConfig, k *ClientConfig, path, alias string, names map[string]*ClientConfig) {
	// RFC 6749 A.1 would allow a space too, which nobody sees.
	bad := strings.IndexFunc(alias, func(r rune) bool { return r <= ' ' || r > '~' })
	scheme, _, _ := strings.Cut(strings.ToLower(alias), "://")
	switch owner := names[alias]; {
	case alias == "" || len(alias) > MaxAliasBytes:
		c.wrong(path, "an alias of the client %d has %d bytes: want 1 to %d", k.ID, len(alias), MaxAliasBytes)
	case bad >= 0:
		c.wrong(path, "an alias of the client %d holds white space, a control character or a character beyond ASCII", k.ID)
	case !s.HTTPAliasAllowed && (scheme == "http" || scheme == "https") && len(alias) > len(scheme):
		c.wrong(path, "the alias %q of the client %d looks like a URL, which http_alias_prohibited forbids", alias, k.ID)
	case owner != nil && owner != k:
		c.wrong(path, "the alias %q of the client %d means the client %d already", alias, k.ID, owner.ID)
	default:
		names[alias] = k
	}
	if strings.Contains(alias, ":") {
		c.warn(path, "the alias %q of the client %d holds a colon: clients that do not form-encode their Basic credentials cannot use it", alias, k.ID)
	}
}

// formDecodings refuses names of two clients of which one is what the other spells
// when it is form-decoded: a client's Basic credentials are read both ways.
func (c *checker) formDecodings(s *ServiceConfig, path string, names map[string]*ClientConfig) {
	for i := range s.Clients {
		k := &s.Clients[i]
		for _, alias := range append([]string{k.Alias}, k.RetiredAliases...) {
			decoded, err := url.QueryUnescape(alias)
			if err != nil || decoded == alias {
				continue
			}
			if owner := names[decoded]; owner != nil && owner != k {
				c.wrong(fmt.Sprintf("%s.clients[%d].alias", path, i), "the alias %q of the client %d is form-encoded %q, which means the client %d", alias, k.ID, decoded, owner.ID)
			}
		}
	}
}

func (c *checker) client(k *ClientConfig, path string) {
	switch {
	case k.Type == Confidential && k.AuthMethod == NoAuth:
		c.wrong(path+".auth_method", "the confidential client %d must authenticate", k.ID)
	case k.Type == Public && k.AuthMethod != NoAuth:
		c.wrong(path+".auth_method", "the public client %d cannot keep a secret: auth_method is none", k.ID)
	case k.Type == Public && k.Secret != "":
		c.wrong(path+".secret", "the public client %d cannot keep a secret", k.ID)
	case k.Type == Confidential:
		c.credential(path+".secret", k.Secret, fmt.Sprintf("the secret of the client %d", k.ID))
		if hasControl(string(k.Secret)) {
			c.wrong(path+".secret", "the secret of the client %d holds a control character", k.ID)
		}
	}
	for i, uri := range k.RedirectURIs {
		if why := checkRedirectURI(uri); why != "" {
			c.wrong(fmt.Sprintf("%s.redirect_uris[%d]", path, i), "a redirect URI of the client %d %s", k.ID, why)
		}
	}
	for i, scope := range k.Scopes {
		at := fmt.Sprintf("%s.scopes[%d]", path, i)
		switch {
		case scope == "openid":
			c.wrong(at, "the scope openid of the client %d: OpenID Connect is not served", k.ID)
		case !validScope(scope):
			c.wrong(at, "a scope of the client %d is no scope token (RFC 6749 §3.3)", k.ID)
		}
	}
	allowed := k.grantTypes()
	if k.Type == Public && allowed&(1<<ClientCredentials) != 0 {
		c.wrong(path+".grant_types", "the public client %d has no credentials to get tokens for", k.ID)
	}
	if allowed&(1<<AuthorizationCode) != 0 && len(k.RedirectURIs) == 0 && k.GrantTypes != nil {
		c.wrong(path+".redirect_uris", "the client %d may use authorization_code and has no redirect URI", k.ID)
	}
}

// grantTypes returns a bit for each grant type of the client.
func (k *ClientConfig) grantTypes() (bits uint8) {
	if k.GrantTypes == nil {
		bits = 1<<AuthorizationCode | 1<<RefreshToken
		if k.Type == Confidential {
			bits |= 1 << ClientCredentials
		}
	}
	for _, g := range k.GrantTypes {
		bits |= 1 << g
	}
	return bits
}

// checkRedirectURI says what is wrong with a redirect URI (RFC 6749 §3.1.2, RFC 8252
// §7, RFC 9700 §2.1).
func checkRedirectURI(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil || !u.IsAbs() || len(uri) > maxRedirectBytes || strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "is no absolute URI"
	case u.Fragment != "" || strings.Contains(uri, "#"):
		return "has a fragment"
	case u.User != nil:
		return "has user information"
	}
	switch strings.ToLower(u.Scheme) {
	case "https":
		if u.Host == "" {
			return "names no host"
		}
	case "http":
		if !isLoopback(u.Hostname()) {
			return "is neither https nor on loopback"
		}
	case "javascript", "data", "vbscript", "file", "about", "blob":
		return "would run or read something"
	default:
		if !strings.Contains(u.Scheme, ".") {
			return "has a scheme of its own that is no reversed domain name (RFC 8252 §7.1)"
		}
	}
	return ""
}

func isLoopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// validScope says whether scope is a scope token (RFC 6749 §3.3).
func validScope(scope string) bool {
	return scope != "" && len(scope) <= maxScopeBytes &&
		!strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
}

func isToken68(text string) bool {
	return !strings.ContainsFunc(strings.TrimRight(text, "="), func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._~+/", r))
	})
}

func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

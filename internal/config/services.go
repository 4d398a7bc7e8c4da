package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"portcullis/engine"
	"portcullis/oauth"
)

// OAuthService is an authorization service whose clients have aliases.
type OAuthService struct {
	ID              Number        `yaml:"id"`
	APISecret       engine.Secret `yaml:"api_secret"` // also when it comes from APISecretFile, and so on
	APISecretFile   string        `yaml:"api_secret_file"`
	AccessToken     engine.Secret `yaml:"access_token"`
	AccessTokenFile string        `yaml:"access_token_file"`
	Issuer          string        `yaml:"issuer"`
	Audience        string        `yaml:"audience"`
	TokenSecret     engine.Secret `yaml:"token_secret"`
	TokenSecretFile string        `yaml:"token_secret_file"`
	TokenProfile    TokenProfile  `yaml:"token_profile"`

	CodeTTL         time.Duration `yaml:"code_ttl"`
	AccessTokenTTL  time.Duration `yaml:"access_token_ttl"`
	RefreshTokenTTL time.Duration `yaml:"refresh_token_ttl"`

	JWTAccessTokens      *bool `yaml:"jwt_access_tokens"` // nil: true
	ClientIDAliasEnabled bool  `yaml:"client_id_alias_enabled"`
	HTTPAliasProhibited  *bool `yaml:"http_alias_prohibited"` // nil: true
	BasicRawFallback     *bool `yaml:"basic_raw_fallback"`    // nil: true

	Clients []OAuthClient `yaml:"clients"`
}

// OAuthClient is a client of an authorization service.
type OAuthClient struct {
	ID             Number        `yaml:"id"`
	Name           string        `yaml:"name"`
	Alias          string        `yaml:"alias"`
	RetiredAliases []string      `yaml:"retired_aliases"`
	AliasEnabled   bool          `yaml:"alias_enabled"`
	Type           ClientType    `yaml:"type"`
	AuthMethod     AuthMethod    `yaml:"auth_method"`
	Secret         engine.Secret `yaml:"secret"`
	SecretFile     string        `yaml:"secret_file"`
	RedirectURIs   []string      `yaml:"redirect_uris"`
	Scopes         []string      `yaml:"scopes"`
	GrantTypes     []GrantType   `yaml:"grant_types"`
}

// Number is the id of a service or client.
type Number uint64

// UnmarshalText implements encoding.TextUnmarshaler. There is one spelling: other
// programs compare ids as texts.
func (n *Number) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || v == 0 || v > oauth.MaxID || strconv.FormatUint(v, 10) != string(text) {
		return fmt.Errorf("%s is not a number from 1 to %d", quote(text), uint64(oauth.MaxID))
	}
	*n = Number(v)
	return nil
}

// String returns the number, or "" for none.
func (n Number) String() string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(n), 10)
}

// TokenProfile says which claims JWT access tokens have.
type TokenProfile engine.AccessProfile

var tokenProfileNames = []string{engine.AuthleteProfile: "authlete", engine.RFC9068Profile: "rfc9068"}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *TokenProfile) UnmarshalText(text []byte) error { return choice(p, text, tokenProfileNames) }

// String returns the profile's name.
func (p TokenProfile) String() string { return tokenProfileNames[p] }

// ClientType is confidential or public.
type ClientType oauth.ClientType

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *ClientType) UnmarshalText(text []byte) error { return choice(t, text, oauth.ClientTypeNames) }

// String returns the type's name.
func (t ClientType) String() string { return oauth.ClientTypeNames[t] }

// AuthMethod is how a client authenticates.
type AuthMethod oauth.AuthMethod

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *AuthMethod) UnmarshalText(text []byte) error { return choice(m, text, oauth.AuthMethodNames) }

// String returns the method's name.
func (m AuthMethod) String() string { return oauth.AuthMethodNames[m] }

// GrantType is how a client may get tokens.
type GrantType oauth.GrantType

// UnmarshalText implements encoding.TextUnmarshaler.
func (g *GrantType) UnmarshalText(text []byte) error { return choice(g, text, oauth.GrantTypeNames) }

// String returns the grant type's name.
func (g GrantType) String() string { return oauth.GrantTypeNames[g] }

// services checks the authorization services: package oauth has the rules, and here
// are the places.
func (c *checker) services() {
	for i := range c.Services {
		s, path := &c.Services[i], fmt.Sprintf("services[%d]", i)
		c.orFile(&s.APISecret, path+".api_secret", s.APISecretFile)
		c.orFile(&s.AccessToken, path+".access_token", s.AccessTokenFile)
		c.orFile(&s.TokenSecret, path+".token_secret", s.TokenSecretFile)
		s.complete()
		for j := range s.Clients {
			k := &s.Clients[j]
			if at := fmt.Sprintf("%s.clients[%d]", path, j); k.AuthMethod == 0 && ClientType(oauth.Public) == k.Type && c.At(at+".auth_method").IsDefault() {
				k.AuthMethod = AuthMethod(oauth.NoAuth)
			}
			c.orFile(&k.Secret, fmt.Sprintf("%s.clients[%d].secret", path, j), k.SecretFile)
		}
	}
	faults, warnings := oauth.Check(c.OAuth(), c.OAuthRules())
	for _, f := range faults {
		c.wrong(f.Path, "%s", f.Message)
	}
	for _, w := range warnings {
		c.warn(w.Path, "%s", w.Message)
	}
	c.foreignSecrets()
}

// complete puts what holds where nothing was given.
func (s *OAuthService) complete() {
	for ttl, otherwise := range map[*time.Duration]time.Duration{
		&s.CodeTTL: oauth.DefaultCodeTTL, &s.AccessTokenTTL: oauth.DefaultAccessTokenTTL, &s.RefreshTokenTTL: oauth.DefaultRefreshTokenTTL,
	} {
		if *ttl == 0 {
			*ttl = otherwise
		}
	}
	yes := true
	for _, b := range []**bool{&s.JWTAccessTokens, &s.HTTPAliasProhibited, &s.BasicRawFallback} {
		if *b == nil {
			*b = &yes
		}
	}
	if s.Audience == "" && s.TokenProfile == TokenProfile(engine.RFC9068Profile) {
		s.Audience = s.Issuer
	}
}

// orFile reads a secret from a file if it is to come from one.
func (c *checker) orFile(secret *engine.Secret, path, file string) {
	switch {
	case file == "":
	case *secret != "":
		c.wrong(path+"_file", "both %s and %[1]s_file: one of them is to go", path[strings.LastIndexByte(path, '.')+1:])
	default:
		*secret, _ = c.secretFile(path+"_file", file)
	}
}

// foreignSecrets refuses a token secret that somebody else knows: whoever has it
// mints access tokens.
func (c *checker) foreignSecrets() {
	known := make(map[engine.Secret]string)
	for _, app := range c.Apps {
		for _, k := range app.Keys {
			known[k.Secret] = "the secret of the API key " + quote(app.ID+"."+k.ID)
		}
	}
	for _, secret := range c.Tokens.SealSecrets {
		known[secret] = "a sealing secret"
	}
	for i := range c.Services {
		if owner := known[c.Services[i].TokenSecret]; owner != "" && c.Services[i].TokenSecret != "" {
			c.wrong(fmt.Sprintf("services[%d].token_secret", i), "also %s: whoever knows it could mint access tokens", owner)
		}
	}
}

// OAuth returns the authorization services as package oauth has them.
func (c *Config) OAuth() []oauth.ServiceConfig {
	services := make([]oauth.ServiceConfig, len(c.Services))
	for i := range c.Services {
		services[i] = c.Services[i].service()
	}
	return services
}

// OAuthRules are what is asked of the authorization services.
func (c *Config) OAuthRules() oauth.Rules {
	return oauth.Rules{AllowWeakSecrets: c.Tokens.AllowWeakSecrets}
}

func (s *OAuthService) service() oauth.ServiceConfig {
	service := oauth.ServiceConfig{
		ID: uint64(s.ID), APISecret: s.APISecret, AccessToken: s.AccessToken, Issuer: s.Issuer, Audience: s.Audience,
		TokenSecret: s.TokenSecret, Profile: engine.AccessProfile(s.TokenProfile),
		CodeTTL: s.CodeTTL, AccessTokenTTL: s.AccessTokenTTL, RefreshTokenTTL: s.RefreshTokenTTL,
		OpaqueAccessTokens: isFalse(s.JWTAccessTokens), ClientIDAliasEnabled: s.ClientIDAliasEnabled,
		HTTPAliasAllowed: isFalse(s.HTTPAliasProhibited), StrictBasic: isFalse(s.BasicRawFallback),
	}
	for i := range s.Clients {
		k := &s.Clients[i]
		client := oauth.ClientConfig{
			ID: uint64(k.ID), Name: k.Name, Alias: k.Alias, AliasEnabled: k.AliasEnabled, RetiredAliases: k.RetiredAliases,
			Type: oauth.ClientType(k.Type), AuthMethod: oauth.AuthMethod(k.AuthMethod), Secret: k.Secret, RedirectURIs: k.RedirectURIs, Scopes: k.Scopes,
		}
		for _, g := range k.GrantTypes {
			client.GrantTypes = append(client.GrantTypes, oauth.GrantType(g))
		}
		service.Clients = append(service.Clients, client)
	}
	return service
}

// isFalse says that a switch which is on by default was switched off.
func isFalse(b *bool) bool { return b != nil && !*b }

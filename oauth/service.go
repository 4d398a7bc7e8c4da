package oauth

import (
	"slices"
	"time"

	"portcullis/engine"
)

// ServiceConfig is a service as it is configured. [Check] says what is wrong with
// one.
type ServiceConfig struct {
	ID          uint64
	APISecret   engine.Secret // what callers present beside the id
	AccessToken engine.Secret // what callers present alone; "" for none
	Issuer      string
	Audience    string        // of its access tokens under the RFC 9068 profile; "" means Issuer
	TokenSecret engine.Secret // signs JWT access tokens
	Profile     engine.AccessProfile

	CodeTTL         time.Duration // 0 means DefaultCodeTTL, and so on
	AccessTokenTTL  time.Duration
	RefreshTokenTTL time.Duration

	OpaqueAccessTokens   bool // clients get opaque access tokens instead of JWTs
	ClientIDAliasEnabled bool
	HTTPAliasAllowed     bool // aliases may begin with http:// or https://
	StrictBasic          bool // a client's Basic credentials must be form-encoded (RFC 6749 §2.3.1)

	Clients []ClientConfig
}

// ClientConfig is a client as it is configured.
type ClientConfig struct {
	ID             uint64
	Name           string // for people
	Alias          string
	AliasEnabled   bool
	RetiredAliases []string // earlier ones, which only tokens may still name
	Type           ClientType
	AuthMethod     AuthMethod
	Secret         engine.Secret // of a confidential client
	RedirectURIs   []string
	Scopes         []string
	GrantTypes     []GrantType // nil means all of them; a public client has no client_credentials
}

// Lifetimes that a service has when it is configured without.
const (
	DefaultCodeTTL         = time.Minute
	DefaultAccessTokenTTL  = time.Hour
	DefaultRefreshTokenTTL = 720 * time.Hour

	// TicketTTL is how long a user has to log in and consent.
	TicketTTL = time.Hour
)

// ClientType is RFC 6749 §2.1's.
type ClientType uint8

// The client types.
const (
	Confidential ClientType = iota
	Public
)

// AuthMethod is how a client authenticates at the token endpoint (RFC 7591 §2).
type AuthMethod uint8

// The authentication methods.
const (
	SecretBasic AuthMethod = iota
	SecretPost
	NoAuth // of public clients
)

// GrantType is how a client gets tokens.
type GrantType uint8

// The grant types.
const (
	AuthorizationCode GrantType = iota
	RefreshToken
	ClientCredentials
)

// The names of the constants above, in the standards and the configuration.
var (
	ClientTypeNames = []string{Confidential: "confidential", Public: "public"}
	AuthMethodNames = []string{SecretBasic: "client_secret_basic", SecretPost: "client_secret_post", NoAuth: "none"}
	GrantTypeNames  = []string{AuthorizationCode: "authorization_code", RefreshToken: "refresh_token", ClientCredentials: "client_credentials"}
)

// apiGrantTypes are the grant types as the API writes them.
var apiGrantTypes = []string{AuthorizationCode: "AUTHORIZATION_CODE", RefreshToken: "REFRESH_TOKEN", ClientCredentials: "CLIENT_CREDENTIALS"}

// Service is a service of one snapshot, and answers calls.
type Service struct {
	provider *Provider
	config   *ServiceConfig
	id       string // decimal
	key      *engine.ServiceKey
	secret   engine.SecretHash

	clients map[string]*client    // by decimal id
	names   map[string]identified // what authenticates and authorizes
	spoken  map[string]identified // what tokens of other servers may name, beside names
}

// client is a client of one snapshot.
type client struct {
	*ClientConfig
	number string // its id, decimal
	secret engine.SecretHash
	grants uint8 // a bit for each GrantType
	// The alias under which it is recognised; "" when it has none, a switch is off,
	// or the alias is its own id.
	alias string
}

// identified is a client and how it was named.
type identified struct {
	*client
	byAlias bool
}

func (c *client) may(g GrantType) bool { return c.grants&(1<<g) != 0 }

// effective is the identifier that a token bears: the alias when the client was
// named by it.
func (i identified) effective() string {
	if i.byAlias {
		return i.alias
	}
	return i.number
}

// ID returns the service's id, decimal.
func (s *Service) ID() string { return s.id }

// allows says whether all of scopes are the client's.
func (c *client) allows(scopes []string) bool {
	return !slices.ContainsFunc(scopes, func(scope string) bool { return !slices.Contains(c.Scopes, scope) })
}

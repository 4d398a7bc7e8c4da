package config

import (
	"crypto/tls"
	"net"
	"time"

	"portcullis/engine"
)

// Config is the whole configuration. The tags are the names in the file; those
// of blank fields are names of the format that this version does not serve.
type Config struct {
	Server   Server         `yaml:"server"`
	Store    Store          `yaml:"store"`
	Apps     []App          `yaml:"apps"`
	Services []OAuthService `yaml:"services"`
	Limits   Limits         `yaml:"limits"`
	Tokens   Tokens         `yaml:"tokens"`
	Cache    Cache          `yaml:"cache"`
	Log      Log            `yaml:"log"`
	_        struct{}       `unserved:"forward_auth"`

	AdminToken  engine.Secret    `yaml:"-"` // what Server.AdminTokenFile holds
	Certificate *tls.Certificate `yaml:"-"` // of Server.TLS; nil without TLS
	Files       []string         `yaml:"-"` // every file that was read, the configuration file first
	Warnings    []Problem        `yaml:"-"` // what is allowed and probably not meant

	at map[string]Position // of every value that was given, by path
}

// Server is where and how the server listens.
type Server struct {
	Listen              Address  `yaml:"listen"`
	AdminListen         Address  `yaml:"admin_listen"`
	AllowInsecureBasic  *bool    `yaml:"allow_insecure_basic"` // nil: only when Listen is a loopback address
	TLS                 TLS      `yaml:"tls"`
	TrustedProxies      []Prefix `yaml:"trusted_proxies"`
	AdminTokenFile      string   `yaml:"admin_token_file"`
	MaxConnections      Count    `yaml:"max_connections"`        // 0: the server's own limit
	MaxConnectionsPerIP Count    `yaml:"max_connections_per_ip"` // 0: no limit

	Sandbox          bool          `yaml:"sandbox"`       // POST /apps and DELETE /apps/{id}
	SandboxToken     engine.Secret `yaml:"sandbox_token"` // also when it comes from SandboxTokenFile
	SandboxTokenFile string        `yaml:"sandbox_token_file"`
}

// Limits bound what one client may do. 0 means no limit.
type Limits struct {
	RefusalsPerToken     Count `yaml:"refusals_per_token"`     // in ten seconds
	RevocationsPerMinute Count `yaml:"revocations_per_minute"` // of one app
	ConnectionsPerApp    Count `yaml:"connections_per_app"`    // realtime connections at once
	ConnectionsPerToken  Count `yaml:"connections_per_token"`
}

// TLS is the certificate of the public listener.
type TLS struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// App is one application and its API keys.
type App struct {
	ID         string      `yaml:"id"`
	Keys       []Key       `yaml:"keys"`
	Namespaces []Namespace `yaml:"namespaces"`
}

// Namespace is what its channels, those whose names begin with its id and a colon,
// ask of clients.
type Namespace struct {
	ID         string `yaml:"id"`
	Identified bool   `yaml:"identified"` // a clientId
}

// Key is one API key.
type Key struct {
	ID              string        `yaml:"id"`
	Secret          engine.Secret `yaml:"secret"` // also when it comes from SecretFile
	SecretFile      string        `yaml:"secret_file"`
	Capability      Capability    `yaml:"capability"`
	RevocableTokens bool          `yaml:"revocable_tokens"`
	State           State         `yaml:"state"`
	NotAfter        Time          `yaml:"not_after"`
	Restrictions    Restrictions  `yaml:"restrictions"`
}

// Restrictions say from where a key itself may be presented.
type Restrictions struct {
	Origins []Origin `yaml:"origins"`
	IPs     []Prefix `yaml:"ips"`
}

// Tokens are the limits on tokens.
type Tokens struct {
	MaxTTL            time.Duration `yaml:"max_ttl"`
	RevocableMaxTTL   time.Duration `yaml:"revocable_max_ttl"`
	UnknownAblyClaims UnknownClaims `yaml:"unknown_ably_claims"`
	AllowWeakSecrets  bool          `yaml:"allow_weak_secrets"`
	Spelling          Spelling      `yaml:"spelling"`

	ChannelRevocation bool `yaml:"channel_revocation"` // revocation targets of type channel are allowed

	SealSecrets     []engine.Secret `yaml:"seal_secrets"` // newest first; also when they come from SealSecretsFile
	SealSecretsFile string          `yaml:"seal_secrets_file"`
}

// Cache is the cache of verified tokens.
type Cache struct {
	MaxBytes Bytes `yaml:"max_bytes"`
}

// Log says what is logged, and how.
type Log struct {
	Level  Level  `yaml:"level"`
	Format Format `yaml:"format"`
}

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		Server: Server{Listen: "127.0.0.1:8080", AdminListen: "127.0.0.1:8090"},
		Store:  "bolt:portcullis.db",
		Limits: Limits{RefusalsPerToken: 10, RevocationsPerMinute: 60},
		Tokens: Tokens{MaxTTL: engine.DefaultMaxTTL, RevocableMaxTTL: engine.DefaultRevocableMaxTTL},
		Cache:  Cache{MaxBytes: 256 << 20},
	}
}

// IdentifiedNamespaces returns the ids of the namespaces that are for identified
// clients, by app.
func (c *Config) IdentifiedNamespaces() map[string][]string {
	all := make(map[string][]string)
	for _, app := range c.Apps {
		for _, n := range app.Namespaces {
			if n.Identified {
				all[app.ID] = append(all[app.ID], n.ID)
			}
		}
	}
	return all
}

// InsecureBasic says whether API keys are accepted without TLS.
func (c *Config) InsecureBasic() bool {
	if c.Server.AllowInsecureBasic != nil {
		return *c.Server.AllowInsecureBasic
	}
	return IsLoopback(string(c.Server.Listen))
}

// At returns where the value of that path was given; a value that was not given
// has its default, and Position.IsDefault.
func (c *Config) At(path string) Position { return c.at[path] }

// IsLoopback says whether a listen address is reachable from this host only.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

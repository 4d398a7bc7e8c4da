// Package config reads the configuration file into what the server is made from.
package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"go.yaml.in/yaml/v3"

	"portcullis/capability"
	"portcullis/engine"
)

// Config is the configuration file.
type Config struct {
	Server Server `yaml:"server"`
	Apps   []App  `yaml:"apps"`
	Tokens Tokens `yaml:"tokens"`
	Cache  Cache  `yaml:"cache"`
}

// Server is where and how the server listens.
type Server struct {
	Listen             string `yaml:"listen"`
	AdminListen        string `yaml:"admin_listen"`
	AllowInsecureBasic *bool  `yaml:"allow_insecure_basic"` // nil: only when listen is a loopback address
}

// App is one application and its API keys.
type App struct {
	ID   string `yaml:"id"`
	Keys []Key  `yaml:"keys"`
}

// Key is one API key.
type Key struct {
	ID              string        `yaml:"id"`
	Secret          engine.Secret `yaml:"secret"`
	Capability      any           `yaml:"capability"`
	RevocableTokens bool          `yaml:"revocable_tokens"`
	State           string        `yaml:"state"`
	NotAfter        time.Time     `yaml:"not_after"`
}

// Tokens are the limits on tokens.
type Tokens struct {
	MaxTTL            time.Duration `yaml:"max_ttl"`
	RevocableMaxTTL   time.Duration `yaml:"revocable_max_ttl"`
	UnknownAblyClaims string        `yaml:"unknown_ably_claims"`
	AllowWeakSecrets  bool          `yaml:"allow_weak_secrets"`
}

// Cache is the cache of verified tokens.
type Cache struct {
	MaxBytes Bytes `yaml:"max_bytes"`
}

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		Server: Server{Listen: "127.0.0.1:8080", AdminListen: "127.0.0.1:8090"},
		Tokens: Tokens{MaxTTL: engine.DefaultMaxTTL, RevocableMaxTTL: engine.DefaultRevocableMaxTTL},
		Cache:  Cache{MaxBytes: 256 << 20},
	}
}

// Load reads the file at path. The error names the file and, where there is one,
// the line.
func Load(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	c := Default()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, fmt.Errorf("config: %s: %w", path, err)
	}
	if _, err := c.Options(); err != nil {
		return Config{}, fmt.Errorf("config: %s: %w", path, err)
	}
	return c, nil
}

// Options returns what the Verifier is made from, or what is wrong and where.
func (c *Config) Options() (engine.Options, error) {
	o := engine.Options{CacheBytes: int64(c.Cache.MaxBytes), Tokens: engine.TokenRules{
		MaxTTL: c.Tokens.MaxTTL, RevocableMaxTTL: c.Tokens.RevocableMaxTTL, AllowWeakSecrets: c.Tokens.AllowWeakSecrets,
	}}
	switch c.Tokens.UnknownAblyClaims {
	case "", "refuse":
	case "warn":
		o.Tokens.UnknownAblyClaims = engine.WarnUnknown
	case "ignore":
		o.Tokens.UnknownAblyClaims = engine.IgnoreUnknown
	default:
		return o, fmt.Errorf("tokens.unknown_ably_claims: %q is none of refuse, warn, ignore", c.Tokens.UnknownAblyClaims)
	}
	if c.Tokens.MaxTTL <= 0 || c.Tokens.RevocableMaxTTL <= 0 {
		return o, errors.New("tokens: max_ttl and revocable_max_ttl must be positive")
	}
	for i, app := range c.Apps {
		for j := range app.Keys {
			key, err := app.Keys[j].engineKey(app.ID)
			if err != nil {
				return o, fmt.Errorf("apps[%d].keys[%d]: %w", i, j, err)
			}
			o.Keys = append(o.Keys, key)
		}
	}
	if len(o.Keys) == 0 {
		return o, errors.New("no keys: add at least\n  apps:\n    - id: myapp\n      keys:\n        - id: k1\n          secret: \"at least 16 random characters\"")
	}
	check := o
	check.CacheBytes = 0
	v, err := engine.NewVerifier(check)
	if err != nil {
		return o, err
	}
	v.Close()
	return o, nil
}

func (k *Key) engineKey(app string) (engine.Key, error) {
	state, ok := engine.ParseKeyState(k.State)
	if !ok {
		return engine.Key{}, fmt.Errorf("state: %q is none of active, verify_only, disabled, revoked", k.State)
	}
	key := engine.Key{Name: app + "." + k.ID, Secret: k.Secret, RevocableTokens: k.RevocableTokens, State: state}
	if !k.NotAfter.IsZero() {
		key.NotAfter = engine.UnixMilli(k.NotAfter.UnixMilli())
	}
	if k.Capability != nil {
		text, isText := k.Capability.(string)
		if !isText {
			encoded, err := json.Marshal(k.Capability)
			if err != nil {
				return key, fmt.Errorf("capability: %w", err)
			}
			text = string(encoded)
		}
		set, err := capability.Parse([]byte(text))
		if err != nil {
			return key, err
		}
		key.Capability = set
	}
	return key, nil
}

// InsecureBasic says whether API keys are accepted without TLS.
func (c *Config) InsecureBasic() bool {
	if c.Server.AllowInsecureBasic != nil {
		return *c.Server.AllowInsecureBasic
	}
	return IsLoopback(c.Server.Listen)
}

// IsLoopback says whether a listen address is reachable from this host only.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

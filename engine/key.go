package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"portcullis/capability"
)

// Limits on keys.
const (
	MaxKeyNameBytes = 128
	MinSecretBytes  = 16
)

// Secret is a secret that prints as [redacted], whatever prints it: package fmt with
// any verb, log/slog, JSON, YAML. The one gap is fmt's own: it does not ask a field
// that is not exported, so whoever holds a Secret in one must not be printed, or
// have a Format method.
type Secret string

const redacted = "[redacted]"

// Format implements fmt.Formatter.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// MarshalText keeps the secret out of JSON, YAML and structured logs.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// KeyState is what a key is still good for.
type KeyState uint8

// The states of a key. In a rotation the old key goes from Active to VerifyOnly
// until its last token has expired.
const (
	Active     KeyState = iota // everything
	VerifyOnly                 // its tokens verify, the key itself is refused
	Disabled                   // everything is refused, 40130
	Revoked                    // everything is refused, 40131
)

var keyStateNames = [...]string{"active", "verify_only", "disabled", "revoked"}

// String returns the state's name in the configuration.
func (s KeyState) String() string { return keyStateNames[s] }

// ParseKeyState returns the state of that name; "" is Active.
func ParseKeyState(name string) (KeyState, bool) {
	if name == "" {
		return Active, true
	}
	i := slices.Index(keyStateNames[:], name)
	return KeyState(max(i, 0)), i >= 0
}

// Key is one API key.
type Key struct {
	Name            string          // appId.keyId
	Secret          Secret          // taken byte for byte
	Capability      *capability.Set // nil means {"*":["*"]}
	RevocableTokens bool            // tokens can be revoked and live for at most RevocableMaxTTL
	State           KeyState
	NotAfter        UnixMilli // when the key stops being good for anything; 0 means never
	Restrictions    Restrictions
	Since           UnixMilli // when the key was made, for keys made while the state exists; 0 means not known
	Sandbox         bool      // one of many that come and go: metrics do not name it
}

// Restrictions say from where a key itself may be presented; its tokens are not
// concerned. Empty lists restrict nothing.
type Restrictions struct {
	Origins []string       // serialised as in RFC 6454 §6.1: https://app.example.com
	IPs     []netip.Prefix // the peer's address, or what a trusted proxy says it is
}

// permit says whether a key may be presented by a peer. Without an Origin the
// request is not a browser's cross-site one, and passes: anybody but a browser
// can send any Origin, so this is no security boundary.
func (r *Restrictions) permit(origin []byte, ip netip.Addr) bool {
	if len(r.Origins) > 0 && len(origin) > 0 && !slices.ContainsFunc(r.Origins, func(o string) bool { return string(origin) == o }) {
		return false
	}
	ip = ip.Unmap()
	return len(r.IPs) == 0 || slices.ContainsFunc(r.IPs, func(p netip.Prefix) bool { return p.Contains(ip) })
}

func (r *Restrictions) equal(other *Restrictions) bool {
	return slices.Equal(r.Origins, other.Origins) && slices.Equal(r.IPs, other.IPs)
}

// appOf returns the app's part of a key name: what stands before the first dot.
func appOf(name []byte) []byte {
	app, _, _ := bytes.Cut(name, []byte{'.'})
	return app
}

// splitKey takes appId.keyId:secret apart. A secret may hold colons.
func splitKey(key []byte) (name, secret []byte, ok bool) {
	name, secret, _ = bytes.Cut(key, []byte{':'})
	return name, secret, len(key) <= MaxTokenBytes && validKeyName(name) && len(secret) > 0
}

func validKeyName(name []byte) bool {
	app, id, _ := bytes.Cut(name, []byte{'.'})
	return len(app) > 0 && len(id) > 0 && len(name) <= MaxKeyNameBytes
}

// Why a key is refused when it is configured.
var (
	errKeyName      = errors.New("not of the form appId.keyId, of at most 128 bytes without colons and control characters")
	errNoSecret     = errors.New("no secret")
	errShortSecret  = errors.New("secret shorter than 16 bytes")
	errKnownSecret  = errors.New("secret published in documentation or samples, so known to everybody")
	errDuplicateKey = errors.New("the same key twice")
)

// notorious are secrets long enough to pass, known from documentation and
// samples, and so from every list of guesses.
var notorious = []string{
	"your-256-bit-secret", "your-384-bit-secret", "your-512-bit-secret",
	"a-string-secret-at-least-256-bits-long", "your_jwt_secret_key", "your-secret-key-here",
	"changemechangeme", "change-me-change-me", "changeitchangeit", "passwordpassword",
	"secretsecretsecret", "supersecretsupersecret", "this-is-a-secret", "thisisasecretkey",
	"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow", // RFC 7515 A.1
}

// validate says why k cannot be used.
func (k *Key) validate(allowWeakSecrets bool) error {
	name, secret := []byte(k.Name), string(k.Secret)
	if !validKeyName(name) || bytes.ContainsFunc(name, func(r rune) bool { return r == ':' || r < 0x20 || r == 0x7f }) {
		return errKeyName
	}
	switch {
	case secret == "":
		return errNoSecret
	case allowWeakSecrets:
		return nil
	case len(secret) < MinSecretBytes:
		return errShortSecret
	case slices.Contains(notorious, secret) || bytes.Count([]byte(secret), []byte(secret[:1])) == len(secret):
		return errKnownSecret
	}
	return nil
}

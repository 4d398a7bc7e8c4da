package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"portcullis/engine"
	"portcullis/internal/nearest"
)

// Bytes is an amount of memory: 1048576, 64KiB, 256MiB or 2GiB.
type Bytes int64

var byteUnits = []struct {
	suffix string
	size   int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	number, size := string(text), int64(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, size = strings.TrimRight(rest, " "), u.size
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || n > uint64(math.MaxInt64/size) {
		return fmt.Errorf("%s is not an amount of memory such as 256MiB", quote(text))
	}
	*b = Bytes(n) * Bytes(size)
	return nil
}

// String returns the amount with the largest unit that fits.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Count is a number from 0 to a million.
type Count int

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Count) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 32)
	if err != nil || n > 1_000_000 {
		return fmt.Errorf("%s is not a number from 0 to 1000000", quote(text))
	}
	*c = Count(n)
	return nil
}

// Store names where state is kept: memory:, or bolt:PATH.
type Store string

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Store) UnmarshalText(text []byte) error {
	kind, rest, found := strings.Cut(string(text), ":")
	switch {
	case found && (kind == "memory" && rest == "" || kind == "bolt" && rest != ""):
		*s = Store(text)
		return nil
	case kind == "nats":
		return errors.New("this version keeps no state in NATS")
	}
	return fmt.Errorf("%s is neither memory: nor bolt:PATH", quote(text))
}

// In returns the store with its path, if it has one, relative to dir.
func (s Store) In(dir string) string {
	path, isFile := strings.CutPrefix(string(s), "bolt:")
	if isFile && !filepath.IsAbs(path) {
		return "bolt:" + filepath.Join(dir, path)
	}
	return string(s)
}

// Address is a TCP address to listen on, host:port. The host may be empty.
type Address string

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Address) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err != nil || strings.ContainsAny(host, " /") {
		return fmt.Errorf("%s is not an address such as 127.0.0.1:8080", quote(text))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%s has no port from 0 to 65535", quote(text))
	}
	*a = Address(text)
	return nil
}

// Time is a point in time, RFC 3339. The zero Time is none.
type Time struct{ time.Time }

// earliest is far before any key was made. A time before it is a mistake, and
// one at or before 1970 would read as none.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Time) UnmarshalText(text []byte) error {
	at, err := time.Parse(time.RFC3339, string(text))
	if err != nil || at.Before(earliest) {
		return fmt.Errorf("%s is not a time since 2000 such as 2027-01-01T00:00:00Z", quote(text))
	}
	t.Time = at
	return nil
}

// String returns the time in RFC 3339, or "".
func (t Time) String() string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// Prefix is a range of IP addresses in CIDR notation, or one address.
type Prefix struct{ netip.Prefix }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Prefix) UnmarshalText(text []byte) error {
	if a, err := netip.ParseAddr(string(text)); err == nil && a.Zone() == "" {
		a = a.Unmap()
		p.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(string(text))
	switch {
	case err != nil:
		return fmt.Errorf("%s is not an IP address or a range such as 10.0.0.0/8", quote(text))
	case prefix.Addr().Is4In6():
		return fmt.Errorf("%s is an IPv4 range in IPv6 dress, which matches nothing: write the IPv4 range", quote(text))
	case prefix != prefix.Masked():
		return fmt.Errorf("%s has an address within the range: did you mean %s or the single address %s?", quote(text), prefix.Masked(), prefix.Addr())
	}
	p.Prefix = prefix
	return nil
}

// Origin is a web origin as browsers send it (RFC 6454 §6.2).
type Origin string

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *Origin) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if err != nil || u.Scheme == "" || u.Hostname() == "" || u.User != nil || u.Opaque != "" {
		return fmt.Errorf("%s is not an origin such as https://app.example.com", quote(text))
	}
	want := strings.ToLower(u.Scheme) + "://" + strings.ToLower(u.Host)
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" || port == "" {
		want = strings.TrimSuffix(want, ":"+port)
	}
	if strings.ContainsFunc(want, func(r rune) bool { return r <= ' ' || r > '~' || r == '*' }) {
		return fmt.Errorf("%s is not an origin: there are no wildcards, and names beyond ASCII are written in Punycode", quote(text))
	}
	if want != string(text) {
		return fmt.Errorf("%s is not how browsers send an origin: did you mean %s?", quote(text), want)
	}
	*o = Origin(text)
	return nil
}

// choice sets dst to the value that text names.
func choice[T ~uint8](dst *T, text []byte, names []string) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		message := quote(text) + " is none of " + strings.Join(names, ", ")
		if near := nearest.Name(string(text), names); near != "" {
			message += ": did you mean " + near + "?"
		}
		return errors.New(message)
	}
	*dst = T(i)
	return nil
}

// State is the state of a key.
type State engine.KeyState

var stateNames = []string{engine.Active.String(), engine.VerifyOnly.String(), engine.Disabled.String(), engine.Revoked.String()}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *State) UnmarshalText(text []byte) error { return choice(s, text, stateNames) }

// String returns the state's name.
func (s State) String() string { return engine.KeyState(s).String() }

// UnknownClaims says what becomes of tokens with unknown claims of Ably's.
type UnknownClaims engine.UnknownAblyClaims

var unknownClaimsNames = []string{engine.RefuseUnknown: "refuse", engine.WarnUnknown: "warn", engine.IgnoreUnknown: "ignore"}

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *UnknownClaims) UnmarshalText(text []byte) error { return choice(u, text, unknownClaimsNames) }

// String returns the choice's name.
func (u UnknownClaims) String() string { return unknownClaimsNames[u] }

// Level is the least level that is logged.
type Level uint8

var (
	levelNames = []string{"info", "debug", "warn", "error"} // the default first
	levels     = []slog.Level{slog.LevelInfo, slog.LevelDebug, slog.LevelWarn, slog.LevelError}
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Level) UnmarshalText(text []byte) error { return choice(l, text, levelNames) }

// String returns the level's name.
func (l Level) String() string { return levelNames[l] }

// Slog returns the level as package slog has it.
func (l Level) Slog() slog.Level { return levels[l] }

// Format is how log records are written.
type Format uint8

// The formats of log records.
const (
	JSON Format = iota
	Text
)

var formatNames = []string{JSON: "json", Text: "text"}

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Format) UnmarshalText(text []byte) error { return choice(f, text, formatNames) }

// String returns the format's name.
func (f Format) String() string { return formatNames[f] }

// quote quotes a value for a message, cut to 64 bytes.
func quote[T []byte | string](text T) string {
	if len(text) > 64 {
		return strconv.Quote(string(text[:64])) + "…"
	}
	return strconv.Quote(string(text))
}

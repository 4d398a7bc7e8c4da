package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"portcullis/engine"
)

// apps checks the apps and their keys.
func (c *checker) apps() {
	apps, count, usable := make(map[string]Position), 0, 0
	for i := range c.Apps {
		app, path := &c.Apps[i], fmt.Sprintf("apps[%d]", i)
		switch first, twice := apps[app.ID]; {
		case app.ID == "":
			if c.at[path+".id"].IsDefault() {
				c.wrong(path+".id", "an app needs an id")
			} else {
				c.wrong(path+".id", "empty")
			}
		case strings.ContainsAny(app.ID, ".:") || hasControl(app.ID):
			c.wrong(path+".id", "%s: an app's id holds no dot, colon or control character", quote(app.ID))
		case twice:
			c.wrong(path+".id", "the app %s a second time, first at %v", quote(app.ID), first)
		default:
			apps[app.ID] = c.place(path + ".id")
		}
		c.namespaces(app, path+".namespaces")
		ids := make(map[string]Position)
		for j := range app.Keys {
			count++
			if c.key(app, j, fmt.Sprintf("%s.keys[%d]", path, j), ids) {
				usable++
			}
		}
	}
	switch {
	case count == 0 && c.sound("apps"):
		c.wrong("apps", "no keys: `portcullis config init` writes a file with one")
	case usable == 0:
		c.warn("apps", "no key admits anybody: all are disabled, revoked or past not_after")
	}
}

// namespaces checks the namespaces of an app.
func (c *checker) namespaces(app *App, path string) {
	seen := make(map[string]bool)
	for i, n := range app.Namespaces {
		at := fmt.Sprintf("%s[%d].id", path, i)
		switch {
		case n.ID == "":
			c.wrong(at, "a namespace needs an id")
		case strings.ContainsAny(n.ID, ":*") || n.ID[0] == '[' || hasControl(n.ID):
			c.wrong(at, "%s: a namespace is the first segment of channel names, without colon, * and control characters", quote(n.ID))
		case seen[n.ID]:
			c.wrong(at, "the namespace %s a second time", quote(n.ID))
		}
		seen[n.ID] = true
	}
}

// key checks one key and says whether it is good for anything.
func (c *checker) key(app *App, index int, path string, ids map[string]Position) bool {
	k := &app.Keys[index]
	switch first, twice := ids[k.ID]; {
	case k.ID == "":
		c.wrong(path+".id", "a key needs an id")
	case twice:
		c.wrong(path+".id", "the key %s a second time, first at %v", quote(app.ID+"."+k.ID), first)
	default:
		ids[k.ID] = c.place(path + ".id")
	}
	c.secret(k, path, app.ID+"."+k.ID)
	if k.Capability.Set != nil && k.Capability.Len() == 0 {
		c.warn(path+".capability", "grants nothing, so every token of the key is refused")
	}
	past := !k.NotAfter.IsZero() && !time.Now().Before(k.NotAfter.Time)
	if past {
		c.warn(path+".not_after", "in the past: the key is good for nothing")
	}
	return !past && engine.KeyState(k.State) <= engine.VerifyOnly
}

// secret finds the key's secret and has the engine judge name and secret.
func (c *checker) secret(k *Key, path, name string) {
	at := path + ".secret"
	switch {
	case k.Secret != "" && k.SecretFile != "":
		c.wrong(path+".secret_file", "both secret and secret_file: one of them is to go")
		return
	case k.SecretFile != "":
		var ok bool
		at = path + ".secret_file"
		if k.Secret, ok = c.secretFile(at, k.SecretFile); !ok {
			return
		}
	case k.Secret == "":
		if c.sound(path) {
			c.wrong(at, "no secret: give secret or secret_file")
		}
		return
	}
	if app, _, _ := strings.Cut(path, ".keys"); !c.sound(path+".id") || !c.sound(app+".id") {
		name = "app.key" // it is known to be wrong: judge the secret only
	}
	candidate := engine.Key{Name: name, Secret: k.Secret}
	rules := engine.TokenRules{AllowWeakSecrets: true}
	if !tryKey(candidate, rules, func(err error) { c.wrong(path+".id", "%s is %v", quote(name), err) }) {
		return
	}
	rules.AllowWeakSecrets = c.Tokens.AllowWeakSecrets
	tryKey(candidate, rules, func(err error) { c.wrong(at, "%v", err) })
	if strings.ContainsFunc(string(k.Secret), func(r rune) bool { return !isLetter(r) }) {
		c.warn(at, "holds characters other than letters, digits, - and _: some SDKs refuse such a key")
	}
}

func tryKey(k engine.Key, rules engine.TokenRules, refused func(error)) bool {
	v, err := engine.NewVerifier(engine.Options{Keys: []engine.Key{k}, Tokens: rules})
	if err != nil {
		refused(innermost(err))
		return false
	}
	v.Close()
	return true
}

func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// Options returns what the Verifier is made from.
func (c *Config) Options() (engine.Options, error) {
	o := engine.Options{CacheBytes: int64(c.Cache.MaxBytes), Tokens: c.Tokens.rules()}
	for i := range c.Apps {
		for j := range c.Apps[i].Keys {
			o.Keys = append(o.Keys, c.Apps[i].Keys[j].engineKey(c.Apps[i].ID))
		}
	}
	for _, text := range c.Tokens.SealSecrets {
		secret, err := engine.NewSealSecret(text)
		if err != nil {
			return o, err
		}
		o.Seal = append(o.Seal, secret)
	}
	return o, nil
}

// StoreSpec returns where state is kept, a path relative to the configuration
// file resolved.
func (c *Config) StoreSpec() string {
	if len(c.Files) == 0 {
		return string(c.Store)
	}
	return c.Store.In(filepath.Dir(c.Files[0]))
}

func (t *Tokens) rules() engine.TokenRules {
	return engine.TokenRules{
		MaxTTL: t.MaxTTL, RevocableMaxTTL: t.RevocableMaxTTL,
		UnknownAblyClaims: engine.UnknownAblyClaims(t.UnknownAblyClaims),
		AllowWeakSecrets:  t.AllowWeakSecrets,
		Spelling:          engine.Spelling(t.Spelling),
	}
}

func (k *Key) engineKey(app string) engine.Key {
	key := engine.Key{
		Name: app + "." + k.ID, Secret: k.Secret, Capability: k.Capability.Set,
		RevocableTokens: k.RevocableTokens, State: engine.KeyState(k.State),
		Restrictions: engine.Restrictions{IPs: Prefixes(k.Restrictions.IPs)},
	}
	if !k.NotAfter.IsZero() {
		key.NotAfter = engine.UnixMilli(k.NotAfter.UnixMilli())
	}
	for _, o := range k.Restrictions.Origins {
		key.Restrictions.Origins = append(key.Restrictions.Origins, string(o))
	}
	return key
}

// Prefixes returns the ranges as package netip has them.
func Prefixes(list []Prefix) []netip.Prefix {
	var plain []netip.Prefix
	for _, p := range list {
		plain = append(plain, p.Prefix)
	}
	return plain
}

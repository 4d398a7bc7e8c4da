package oracle

import "strings"

const (
	maxKeyBytes     = 8192
	maxKeyNameBytes = 128
)

// VerifyKey judges an API key, "appId.keyId:secret", as it stands after
// the transport has decoded it (RSA11).
func VerifyKey(keys []Key, key string, now int64) Verdict {
	// The first colon ends the name, so that a secret may hold another one; the
	// first dot ends the app.
	name, secret, hasSecret := strings.Cut(key, ":")
	app, id, hasID := strings.Cut(name, ".")
	if !hasSecret || !hasID || app == "" || id == "" || secret == "" ||
		len(name) > maxKeyNameBytes || len(key) > maxKeyBytes {
		return refuse("malformed_key")
	}

	found, reason := findKey(keys, name)
	switch reason {
	case "":
	case "unknown_app":
		return refuse("key_app_unknown") // to Basic, an unknown app is just a wrong credential
	default:
		return refuse(reason)
	}
	if secret != found.Secret {
		return refuse("bad_secret")
	}
	// The state is said only to those who know the secret.
	if found.State == VerifyOnly {
		return refuse("key_verify_only")
	}
	if reason := keyState(found, now); reason != "" {
		return refuse(reason)
	}
	return Verdict{
		KeyName:    name,
		ClientKind: Wildcard, // a key may claim any clientId (RSA7)
		Capability: keyCapability(found).Canonical(),
	}
}

// findKey looks a key up by its exact name, or says whether the app or only the
// key is unknown. The app is what stands before the first dot, all of it where
// there is none.
func findKey(keys []Key, name string) (Key, string) {
	app, _, _ := strings.Cut(name, ".")
	reason := "unknown_app"
	for _, key := range keys {
		if key.Name == name {
			return key, ""
		}
		if keyApp, _, _ := strings.Cut(key.Name, "."); keyApp == app {
			reason = "unknown_key"
		}
	}
	return Key{}, reason
}

// keyState says why a key admits neither itself nor its tokens, if so.
func keyState(key Key, now int64) string {
	switch {
	case key.State == Disabled:
		return "key_disabled"
	case key.State == Revoked:
		return "key_revoked"
	case key.NotAfter != 0 && now >= key.NotAfter:
		return "key_expired"
	}
	return ""
}

// keyCapability is what the key itself may do. The configuration was checked when
// it was loaded, so a text that does not parse is a mistake in the test.
func keyCapability(key Key) Capability {
	text := key.Capability
	if text == "" {
		text = `{"*":["*"]}`
	}
	c, err := ParseCapability(text)
	if err != nil {
		panic("oracle: key " + key.Name + ": " + err.Error())
	}
	return c
}

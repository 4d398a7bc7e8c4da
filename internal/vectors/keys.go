package vectors

import (
	"fmt"
	"strings"
)

// Key is one fixture key.
type Key struct {
	Name            string // appId.keyId
	Secret          string
	Capability      string // JSON; "" means {"*":["*"]}
	RevocableTokens bool
	State           string // active, verify_only, disabled or revoked
	NotAfter        int64  // Unix milliseconds; 0 means that the key does not expire
}

const (
	defaultKid = "appId.keyId"
	weakKeys   = "weak"
)

// Keys returns the fixture keys. No two have the same secret, and none has one
// that a careful configuration would refuse.
func Keys() []Key {
	keys := []Key{
		{Name: defaultKid, Secret: "0123456789abcdef0123456789abcdef"},
		{Name: "appId.revocable", Secret: "revocable-3JqvWc8nTzL5yRk2", RevocableTokens: true},
		{Name: "appId.disabled", Secret: "disabled-9fXbQm4sHdG7wPe1", State: "disabled"},
		{Name: "appId.revoked", Secret: "revoked-6tYcVn0jKaU8zLo5", State: "revoked"},
		{Name: "appId.verifyonly", Secret: "verifyonly-2gRhBx7mCiD4qEs9", State: "verify_only"},
		{Name: "appId.expired", Secret: "expired-8wFuMk3pJvN6tZa0", NotAfter: 1700000050000},

		// Keys 1 to 5 of ably-common's test-app-setup.json; keyId above is key 0.
		{Name: "appId.k1", Secret: "k1-5vHyTg1nRcX8bQw4", Capability: `{"cansubscribe:*":["subscribe"],` +
			`"canpublish:*":["publish"],"canpublish:andpresence":["presence","publish"],` +
			`"pushenabled:*":["publish","subscribe","push-subscribe"],"pushenabled:admin:*":["publish","subscribe","push-admin"]}`},
		{Name: "appId.k2", Secret: "k2-7mLdKp9sZuF3jEo6", Capability: `{"channel0":["publish"],"channel1":["publish"],` +
			`"channel2":["publish","subscribe"],"channel3":["subscribe"],` +
			`"channel4":["presence","publish","subscribe"],"channel5":["presence"],"channel6":["*"]}`},
		{Name: "appId.k3", Secret: "k3-1aWiNq6xVbY0hTr8", Capability: `{"*":["subscribe"]}`},
		{Name: "appId.k4", Secret: "k4-4cGzSe2fMlJ9uPk7", RevocableTokens: true},
		{Name: "appId.k5", Secret: "k5-0oXtBd5wHnC3vRy6", Capability: `{"[*]*":["*"]}`},

		{Name: "appId.meta", Secret: "meta-8kQfUj1zEaL7mVs2", Capability: `{"[meta]*":["*"]}`},
		{Name: "appId.docs", Secret: "docs-3yPcIg9tWbN5xDo4", Capability: `{"your-namespace:*":["publish","subscribe","presence"],` +
			`"notifications":["subscribe","history"],"alerts":["subscribe"]}`},
		{Name: "appId.lone", Secret: "lone-6hRvZm2sKqF8jTu0", Capability: `{"your-namespace":["*"]}`},
		{Name: "appId.wide", Secret: "wide-9eLxBw4nGdY1pCi7", Capability: wideCapability()},
		{Name: "appId.long", Secret: "long-2zJoHk7rVtM6aSf5", Capability: longCapability()},

		// Names and secrets of awkward shapes.
		{Name: "appId.two.dots", Secret: "twodots-5uXnQy0cEwP3gLb8"},
		{Name: "appId.colon", Secret: "colon:7dTsMj:1vKzRi:4hFa"},
		{Name: "appId." + strings.Repeat("n", 122), Secret: "name128-0qWbUo6mNxG9yCe2"}, // 128 bytes, the longest name
		{Name: "appId.block", Secret: strings.Repeat("block-64", 8)},                    // 64 bytes: as long as a block of SHA-256
		{Name: "appId.overblock", Secret: strings.Repeat("block-65", 8) + "!"},          // 65 bytes: hashed first (RFC 2104 §2)

		{Name: "other.keyId", Secret: "other-4rIvLp8kZtD2jSh6"},
	}
	for i := range keys {
		if keys[i].State == "" {
			keys[i].State = "active"
		}
	}
	return keys
}

// WeakKeys returns the one key of the published examples, whose secret is too
// short for anything else.
func WeakKeys() []Key {
	return []Key{{Name: defaultKid, Secret: "s3cr3t", State: "active"}}
}

// wideCapability has 32 resources, each of which meets any "x:*" in one resource:
// what n of these ask for comes to 32 n resources.
func wideCapability() string {
	var items []string
	for i := range 32 {
		items = append(items, fmt.Sprintf(`"*:b%02d":["*"]`, i))
	}
	return "{" + strings.Join(items, ",") + "}"
}

// longCapability has eight resources with a last segment of 499 bytes each, so
// that few resources make a long text, and "tune:*" to add single bytes to it.
func longCapability() string {
	items := []string{`"tune:*":["*"]`}
	for i := range 8 {
		items = append(items, fmt.Sprintf(`"*:%d%s":["*"]`, i, strings.Repeat("b", 498)))
	}
	return "{" + strings.Join(items, ",") + "}"
}

// fixtureSecret is the secret of a key of the set, "" when there is no such key.
func fixtureSecret(keys []Key, name string) string {
	for _, key := range keys {
		if key.Name == name {
			return key.Secret
		}
	}
	return ""
}

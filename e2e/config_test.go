package e2e

import (
	"strconv"
	"strings"
	"time"
)

// The keys that the tests' servers know.
const (
	app        = "e2eApp"
	keyFull    = app + ".full"   // everything
	keyChat    = app + ".chat"   // publish and subscribe on chat:*
	keyWide    = app + ".wide"   // 40 namespaces, for capabilities that grow
	keyOff     = app + ".off"    // disabled
	keyDying   = app + ".dying"  // verify_only
	keyRevoked = app + ".gone"   // revoked
	keyPast    = app + ".past"   // its not_after has passed
	keyRevocab = app + ".revocs" // revocable tokens
	keyFenced  = app + ".fenced" // from pages of fencedOrigin only
	keyFar     = app + ".far"    // from addresses that nobody has

	secretFull = "full-9Zq?~>2xWm7hVbR4tYkLpN0s" // its base64 has + and /
	secretChat = "chat-6Jd81mQvTzXy3RbKfNhWpL0a"
	secretRest = "rest-2Hf94nSwUcVz7TdMgPjXrQ5e"
)

// fencedOrigin is where keyFenced may be presented from.
const fencedOrigin = "https://app.example.com"

// chatCapability is that of keyChat, as canonical text.
const chatCapability = `{"chat:*":["publish","subscribe"]}`

// secretOf is the secret of each key.
func secretOf(keyName string) string {
	switch keyName {
	case keyFull:
		return secretFull
	case keyChat:
		return secretChat
	}
	return secretRest
}

// apiKey is the whole API key of that name.
func apiKey(keyName string) string { return keyName + ":" + secretOf(keyName) }

// baseConfig configures every key. more is added under server.
func baseConfig(more ...string) string {
	var b strings.Builder
	b.WriteString("server:\n  listen: 127.0.0.1:0\n  admin_listen: 127.0.0.1:0\n")
	for _, line := range more {
		b.WriteString("  " + line + "\n")
	}
	b.WriteString("cache: {max_bytes: 16MiB}\napps:\n  - id: " + app + "\n    keys:\n")
	key := func(name, rest string) {
		_, id, _ := strings.Cut(name, ".")
		b.WriteString("      - {id: " + id + ", secret: " + strconv.Quote(secretOf(name)) + rest + "}\n")
	}
	key(keyFull, "")
	key(keyChat, `, capability: {"chat:*": [subscribe, publish]}`)
	key(keyWide, `, capability: `+namespaces(40, func(n string) string { return "k" + n + ":*" }))
	key(keyOff, ", state: disabled")
	key(keyDying, ", state: verify_only")
	key(keyRevoked, ", state: revoked")
	key(keyPast, ", not_after: "+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))
	key(keyRevocab, ", revocable_tokens: true")
	key(keyFenced, ", restrictions: {origins: ["+fencedOrigin+"]}")
	key(keyFar, ", restrictions: {ips: [203.0.113.0/24]}") // TEST-NET-3, RFC 5737
	return b.String()
}

// namespaces is a capability of n resources.
func namespaces(n int, resource func(number string) string) string {
	rules := make([]string, n)
	for i := range rules {
		rules[i] = strconv.Quote(resource(strconv.Itoa(i))) + `: ["*"]`
	}
	return "{" + strings.Join(rules, ", ") + "}"
}

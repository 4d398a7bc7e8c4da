package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// app is the top of a file whose first key begins in line 4.
func app(keyLines ...string) string {
	return "apps:\n  - id: app\n    keys:\n      - id: k1\n        " + strings.Join(keyLines, "\n        ") + "\n"
}

const secretLine = "secret: " + canary

// TestEveryFaultHasItsPlace lists invalid files. What is expected is the whole of
// what is said, counted by hand: line, column, path and message.
func TestEveryFaultHasItsPlace(t *testing.T) {
	const addressHint = " is not an address such as 127.0.0.1:8080"
	const timeHint = " is not a time since 2000 such as 2027-01-01T00:00:00Z"
	const ipHint = " is not an IP address or a range such as 10.0.0.0/8"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		// Not YAML, or not one document of it.
		"colon in a value":      {"store: a: b\n", []string{"c.yaml:1:9: not YAML: mapping values are not allowed in this context (put values that hold a colon and a space, or end with a colon, into quotes)"}},
		"tab":                   {"apps:\n\t- id: a\n", []string{"c.yaml:2:1: not YAML: found character that cannot start any token"}},
		"open quote":            {"log:\n  level: \"info\n  format: json\n", []string{"c.yaml:2:3: not YAML: found unexpected end of stream"}},
		"text after a quote":    {"log:\n  level: \"info\"x\n", []string{"c.yaml:2:16: not YAML: did not find expected key"}},
		"line without a colon":  {"log: {}\nserver: {}\ncache {}\ntokens: {}\n", []string{"c.yaml:3:1: not YAML: could not find expected ':'"}},
		"control character":     {"log: {level: \x01}\n", []string{"c.yaml:1:14: not YAML: control characters are not allowed"}},
		"unknown escape":        {"log:\n  level: \"\\q\"\n", []string{"c.yaml:2:11: not YAML: found unknown escape character"}},
		"bad UTF-8":             {good + "log: {level: \xff}\n", []string{"c.yaml:6:14: not UTF-8"}},
		"UTF-16":                {"\xff\xfea\x00", []string{"c.yaml:1:1: not UTF-8"}},
		"NUL":                   {good + "#\x00\n", []string{"c.yaml:6:2: a NUL byte"}},
		"two documents":         {good + "---\nlog: {}\n", []string{"c.yaml:7:1: a second YAML document: one file is one document"}},
		"a list at the top":     {"- apps\n", []string{"c.yaml:1:1: names and values are needed, not a list"}},
		"a text at the top":     {"apps\n", []string{"c.yaml:1:1: names and values are needed, not a text"}},
		"unquoted asterisk":     {app("secret: *" + canary), []string{"c.yaml:5:17: not YAML: an alias without its anchor (put values that begin with * into quotes)"}},
		"anchor":                {app("secret: &" + canary + " x"), []string{"c.yaml:5:17: apps[0].keys[0].secret: anchors are not accepted: put the value into quotes if it begins with &"}},
		"alias":                 {app(secretLine) + "server: {listen: &a 127.0.0.1:1, admin_listen: *a}\n", []string{"c.yaml:6:18: server.listen: anchors are not accepted: put the value into quotes if it begins with &", "c.yaml:6:48: server.admin_listen: aliases are not accepted: write the value out, or put it into quotes if it begins with *"}},
		"tag":                   {app("secret: !" + canary + " x"), []string{"c.yaml:5:17: apps[0].keys[0].secret: tags are not accepted: put the value into quotes if it begins with !"}},
		"merge":                 {app(secretLine) + "log:\n  <<: {level: info}\n", []string{`c.yaml:7:3: log: unknown name: there are level, format`}},
		"anchored laughs":       {"apps: &a [&b [&c [x,x,x],*c],*b]\n", []string{"c.yaml:1:7: apps: anchors are not accepted: put the value into quotes if it begins with &"}},
		"a list instead of one": {app(secretLine) + "log: {level: [info]}\n", []string{"c.yaml:6:14: log.level: a single value is needed, not a list"}},

		// Names.
		"misspelt section":    {app(secretLine) + "tokns: {}\n", []string{`c.yaml:6:1: unknown name "tokns": did you mean tokens?`}},
		"misspelt name":       {app(secretLine) + "server:\n  lisen: x\n", []string{`c.yaml:7:3: server: unknown name "lisen": did you mean listen?`}},
		"name of other case":  {app(secretLine) + "cache: {Max_Bytes: 1MiB}\n", []string{`c.yaml:6:9: cache: unknown name "Max_Bytes": did you mean max_bytes?`}},
		"misspelt in a key":   {app(secretLine, "capabilities: {}"), []string{`c.yaml:6:9: apps[0].keys[0]: unknown name "capabilities": did you mean capability?`}},
		"unlike any name":     {app(secretLine) + "cache: {q: 1}\n", []string{`c.yaml:6:9: cache: unknown name: there are max_bytes`}},
		"repeated section":    {app(secretLine) + "log: {}\nlog: {}\n", []string{`c.yaml:7:1: "log" a second time, first in line 6`}},
		"repeated name":       {app(secretLine, "state: active", "state: revoked"), []string{`c.yaml:7:9: apps[0].keys[0]: "state" a second time, first in line 6`}},
		"a list as a name":    {app(secretLine) + "? [a]\n: b\n", []string{"c.yaml:6:3: a name is needed, not a list"}},
		"half a secret":       {"apps: [{id: app, keys: [{id: k1, secret: abc," + canary + "}]}]\n", []string{"c.yaml:1:42: apps[0].keys[0].secret: secret shorter than 16 bytes", "c.yaml:1:46: apps[0].keys[0]: a name without a value: put values that hold a comma into quotes"}},
		"store":               {app(secretLine) + "store: redis:x\n", []string{`c.yaml:6:8: store: "redis:x" is neither memory: nor bolt:PATH`}},
		"store without path":  {app(secretLine) + "store: 'bolt:'\n", []string{`c.yaml:6:8: store: "bolt:" is neither memory: nor bolt:PATH`}},
		"store in NATS":       {app(secretLine) + "store: nats://127.0.0.1:4222\n", []string{"c.yaml:6:8: store: this version keeps no state in NATS"}},
		"limits":              {app(secretLine) + "limits: {connections_per_app: -1}\n", []string{`c.yaml:6:31: limits.connections_per_app: "-1" is not a number from 0 to 1000000`}},
		"forward_auth":        {app(secretLine) + "forward_auth:\n", []string{"c.yaml:6:1: forward_auth: this version does not serve it"}},
		"sandbox token":       {app(secretLine) + "server: {sandbox_token: x}\n", []string{"c.yaml:6:25: server.sandbox_token: shorter than 16 bytes"}},
		"sandbox tokens":      {app(secretLine) + "server: {sandbox_token: 0123456789abcdef, sandbox_token_file: x}\n", []string{"c.yaml:6:63: server.sandbox_token_file: both sandbox_token and sandbox_token_file: one of them is to go"}},
		"open sandbox":        {app(secretLine) + "server: {listen: ':8080', allow_insecure_basic: false, sandbox: true}\n", []string{"c.yaml:6:65: server.sandbox: everybody could make apps: set server.sandbox_token, or listen on 127.0.0.1"}},
		"short seal secret":   {app(secretLine) + "tokens: {seal_secrets: [0123456789abcdef]}\n", []string{"c.yaml:6:25: tokens.seal_secrets[0]: shorter than 32 bytes"}},
		"seal secret twice":   {app(secretLine) + "tokens: {seal_secrets: [0123456789abcdef0123456789abcdef, 0123456789abcdef0123456789abcdef]}\n", []string{"c.yaml:6:59: tokens.seal_secrets[1]: the same secret twice"}},
		"seal secrets twice":  {app(secretLine) + "tokens: {seal_secrets: [0123456789abcdef0123456789abcdef], seal_secrets_file: x}\n", []string{"c.yaml:6:79: tokens.seal_secrets_file: both seal_secrets and seal_secrets_file: one of them is to go"}},
		"a key's seal secret": {app("secret: 0123456789abcdef0123456789abcdef") + "tokens: {seal_secrets: [0123456789abcdef0123456789abcdef]}\n", []string{"c.yaml:5:17: apps[0].keys[0].secret: also a sealing secret: its holder could seal tokens"}},
		"namespaces": {app(secretLine) + "    namespaces: [{id: a}, {id: 'b:c'}, {id: a}, {}]\n", []string{
			`c.yaml:6:32: apps[0].namespaces[1].id: "b:c": a namespace is the first segment of channel names, without colon, * and control characters`,
			`c.yaml:6:45: apps[0].namespaces[2].id: the namespace "a" a second time`,
			`c.yaml:6:49: apps[0].namespaces[3].id: a namespace needs an id`,
		}},
		"misspelt in a list":  {app(secretLine, "restrictions: {origin: []}"), []string{`c.yaml:6:24: apps[0].keys[0].restrictions: unknown name "origin": did you mean origins?`}},
		"element without one": {app(secretLine) + "server:\n  trusted_proxies:\n    -\n", []string{"c.yaml:8:6: server.trusted_proxies[0]: an element without a value"}},

		// Kinds of values.
		"map for list":       {"apps: {id: a}\n", []string{"c.yaml:1:7: apps: a list is needed, not names and values"}},
		"text for map":       {app(secretLine) + "server: 127.0.0.1:80\n", []string{"c.yaml:6:9: server: names and values are needed, not a text"}},
		"list for map":       {app(secretLine) + "log: [info]\n", []string{"c.yaml:6:6: log: names and values are needed, not a list"}},
		"truth for text":     {app("secret: true"), []string{"c.yaml:5:17: apps[0].keys[0].secret: a text is needed, not true or false: put it into quotes"}},
		"fraction for text":  {app("secret: 1234567890123456.5"), []string{"c.yaml:5:17: apps[0].keys[0].secret: a text is needed, not a number: put it into quotes"}},
		"time for text":      {app("secret: 2027-01-01T00:00:00Z"), []string{"c.yaml:5:17: apps[0].keys[0].secret: a text is needed, not a time: put it into quotes"}},
		"map for a secret":   {app("secret: {a: " + canary + "}"), []string{"c.yaml:5:17: apps[0].keys[0].secret: a single value is needed, not names and values"}},
		"yes for true":       {app(secretLine, "revocable_tokens: yes"), []string{"c.yaml:6:27: apps[0].keys[0].revocable_tokens: true or false is needed"}},
		"quoted true":        {app(secretLine, `revocable_tokens: "true"`), []string{"c.yaml:6:27: apps[0].keys[0].revocable_tokens: true or false is needed"}},
		"address alone":      {app(secretLine) + "server: {listen: 127.0.0.1}\n", []string{`c.yaml:6:18: server.listen: "127.0.0.1"` + addressHint}},
		"address of a page":  {app(secretLine) + "server: {listen: \"http://a:80\"}\n", []string{`c.yaml:6:18: server.listen: "http://a:80"` + addressHint}},
		"port by name":       {app(secretLine) + "server: {listen: \"127.0.0.1:http\"}\n", []string{`c.yaml:6:18: server.listen: "127.0.0.1:http" has no port from 0 to 65535`}},
		"port too high":      {app(secretLine) + "server: {listen: \"127.0.0.1:65536\"}\n", []string{`c.yaml:6:18: server.listen: "127.0.0.1:65536" has no port from 0 to 65535`}},
		"negative number":    {app(secretLine) + "server: {max_connections: -1}\n", []string{`c.yaml:6:27: server.max_connections: "-1" is not a number from 0 to 1000000`}},
		"duration in words":  {app(secretLine) + "tokens: {max_ttl: one hour}\n", []string{`c.yaml:6:19: tokens.max_ttl: "one hour" is not a duration such as 90s, 15m or 24h`}},
		"duration in days":   {app(secretLine) + "tokens:\n  revocable_max_ttl: 1d\n", []string{`c.yaml:7:22: tokens.revocable_max_ttl: "1d" is not a duration such as 90s, 15m or 24h`}},
		"no duration":        {app(secretLine) + "tokens: {max_ttl: 0s}\n", []string{"c.yaml:6:19: tokens.max_ttl: shorter than a second"}},
		"duration too short": {app(secretLine) + "tokens: {max_ttl: 999us}\n", []string{"c.yaml:6:19: tokens.max_ttl: shorter than a second"}},
		"a life too long":    {app(secretLine) + "tokens: {revocable_max_ttl: 1h0m1s}\n", []string{"c.yaml:6:29: tokens.revocable_max_ttl: longer than an hour: revocations are not kept for longer, so a token would outlive its own"}},
		"negative duration":  {app(secretLine) + "tokens: {revocable_max_ttl: -1h}\n", []string{"c.yaml:6:29: tokens.revocable_max_ttl: shorter than a second"}},
		"amount of memory":   {app(secretLine) + "cache: {max_bytes: 256MB}\n", []string{`c.yaml:6:20: cache.max_bytes: "256MB" is not an amount of memory such as 256MiB`}},
		"too much memory":    {app(secretLine) + "cache: {max_bytes: 9223372036854775807KiB}\n", []string{`c.yaml:6:20: cache.max_bytes: "9223372036854775807KiB" is not an amount of memory such as 256MiB`}},
		"date":               {app(secretLine, "not_after: 2027-01-01"), []string{`c.yaml:6:20: apps[0].keys[0].not_after: "2027-01-01"` + timeHint}},
		"the 13th month":     {app(secretLine, "not_after: 2027-13-01T00:00:00Z"), []string{`c.yaml:6:20: apps[0].keys[0].not_after: "2027-13-01T00:00:00Z"` + timeHint}},
		"a time that is none": {app(secretLine, "not_after: 0001-01-01T00:00:00Z"),
			[]string{`c.yaml:6:20: apps[0].keys[0].not_after: "0001-01-01T00:00:00Z"` + timeHint}},
		"unix time":     {app(secretLine, "not_after: 1800000000"), []string{`c.yaml:6:20: apps[0].keys[0].not_after: "1800000000"` + timeHint}},
		"unknown state": {app(secretLine, "state: enabled"), []string{`c.yaml:6:16: apps[0].keys[0].state: "enabled" is none of active, verify_only, disabled, revoked: did you mean disabled?`}},
		"unknown rule":  {app(secretLine) + "tokens: {unknown_ably_claims: allow}\n", []string{`c.yaml:6:31: tokens.unknown_ably_claims: "allow" is none of refuse, warn, ignore`}},
		"spelling":      {app(secretLine) + "tokens: {spelling: lax}\n", []string{`c.yaml:6:20: tokens.spelling: "lax" is none of strict, documented`}},
		"log level":     {app(secretLine) + "log: {level: warning}\n", []string{`c.yaml:6:14: log.level: "warning" is none of info, debug, warn, error: did you mean warn?`}},
		"log format":    {app(secretLine) + "log: {format: xml}\n", []string{`c.yaml:6:15: log.format: "xml" is none of json, text`}},

		// Origins, addresses, capabilities.
		"origin with a path":      {app(secretLine, `restrictions: {origins: ["https://a.example/"]}`), []string{`c.yaml:6:34: apps[0].keys[0].restrictions.origins[0]: "https://a.example/" is not how browsers send an origin: did you mean https://a.example?`}},
		"origin in capitals":      {app(secretLine, "restrictions:", "  origins:", "    - HTTPS://A.example:443"), []string{`c.yaml:8:15: apps[0].keys[0].restrictions.origins[0]: "HTTPS://A.example:443" is not how browsers send an origin: did you mean https://a.example?`}},
		"origin without a scheme": {app(secretLine, `restrictions: {origins: [a.example]}`), []string{`c.yaml:6:34: apps[0].keys[0].restrictions.origins[0]: "a.example" is not an origin such as https://app.example.com`}},
		"any origin":              {app(secretLine, `restrictions: {origins: ["https://a.example", "https://*.example"]}`), []string{`c.yaml:6:55: apps[0].keys[0].restrictions.origins[1]: "https://*.example" is not an origin: there are no wildcards, and names beyond ASCII are written in Punycode`}},
		"address out of range":    {app(secretLine, `restrictions: {ips: [10.0.0.256]}`), []string{`c.yaml:6:30: apps[0].keys[0].restrictions.ips[0]: "10.0.0.256"` + ipHint}},
		"prefix too long":         {app(secretLine, `restrictions: {ips: ["::1/129"]}`), []string{`c.yaml:6:30: apps[0].keys[0].restrictions.ips[0]: "::1/129"` + ipHint}},
		"address within a range":  {app(secretLine) + "server: {trusted_proxies: [10.1.2.3/8]}\n", []string{`c.yaml:6:28: server.trusted_proxies[0]: "10.1.2.3/8" has an address within the range: did you mean 10.0.0.0/8 or the single address 10.1.2.3?`}},
		"mapped range":            {app(secretLine) + "server: {trusted_proxies: [\"::ffff:10.0.0.0/104\"]}\n", []string{`c.yaml:6:28: server.trusted_proxies[0]: "::ffff:10.0.0.0/104" is an IPv4 range in IPv6 dress, which matches nothing: write the IPv4 range`}},
		"misspelt operation":      {app(secretLine, "capability:", `  "chat:*": [publsh, subscribe]`), []string{`c.yaml:7:22: apps[0].keys[0].capability: unknown operation "publsh": did you mean publish?`}},
		"star among others":       {app(secretLine, `capability: {"*": ["*", publish]}`), []string{`c.yaml:6:27: apps[0].keys[0].capability: "*": * stands alone or not at all`}},
		"star twice":              {app(secretLine, `capability: {"*": ["*", "*"]}`), []string{`c.yaml:6:27: apps[0].keys[0].capability: "*": * stands alone or not at all`}},
		"no operation":            {app(secretLine, `capability: {"*": []}`), []string{`c.yaml:6:27: apps[0].keys[0].capability: "*": a resource without operations`}},
		"operation alone":         {app(secretLine, `capability: {chat: publish}`), []string{`c.yaml:6:22: apps[0].keys[0].capability: the operations on "chat" must be a list, such as [subscribe]`}},
		"unknown qualifier":       {app(secretLine, `capability: {"[foo]x": ["*"]}`), []string{`c.yaml:6:22: apps[0].keys[0].capability: "[foo]x": not a resource`}},
		"repeated resource":       {app(secretLine, "capability:", "  a: [publish]", "  a: [subscribe]"), []string{`c.yaml:8:11: apps[0].keys[0].capability: "a" a second time, first in line 7`}},
		"capability of JSON":      {app(secretLine, `capability: '{"a":["fly"]}'`), []string{`c.yaml:6:21: apps[0].keys[0].capability: unknown operation, or * among others`}},

		// Apps, keys and secrets.
		"empty file":           {"", []string{"c.yaml:1:1: apps: no keys: `portcullis config init` writes a file with one"}},
		"only comments":        {"# nothing\n", []string{"c.yaml:1:1: apps: no keys: `portcullis config init` writes a file with one"}},
		"an app without keys":  {"log: {}\napps:\n  - id: a\n", []string{"c.yaml:3:3: apps: no keys: `portcullis config init` writes a file with one"}},
		"no app id":            {"apps:\n  - keys:\n      - {id: k, secret: " + canary + "}\n", []string{"c.yaml:2:5: apps[0].id: an app needs an id"}},
		"empty app id":         {"apps:\n  - id: ''\n    keys: [{id: k, secret: " + canary + "}]\n", []string{"c.yaml:2:9: apps[0].id: empty"}},
		"dot in an app id":     {"apps:\n  - id: a.b\n    keys: [{id: k, secret: " + canary + "}]\n", []string{`c.yaml:2:9: apps[0].id: "a.b": an app's id holds no dot, colon or control character`}},
		"app twice":            {app(secretLine) + "  - id: app\n", []string{`c.yaml:6:9: apps[1].id: the app "app" a second time, first at c.yaml:2:9`}},
		"key twice":            {app(secretLine) + "      - id: k1\n        " + secretLine + "\n", []string{`c.yaml:6:13: apps[0].keys[1].id: the key "app.k1" a second time, first at c.yaml:4:13`}},
		"no key id":            {"apps: [{id: a, keys: [{secret: " + canary + "}]}]\n", []string{"c.yaml:1:23: apps[0].keys[0].id: a key needs an id"}},
		"colon in a key id":    {app(secretLine) + "      - id: a:b\n        " + secretLine + "\n", []string{`c.yaml:6:13: apps[0].keys[1].id: "app.a:b" is not of the form appId.keyId, of at most 128 bytes without colons and control characters`}},
		"no secret":            {app(), []string{"c.yaml:4:9: apps[0].keys[0].secret: no secret: give secret or secret_file"}},
		"secret not filled in": {app("secret:"), []string{"c.yaml:4:9: apps[0].keys[0].secret: no secret: give secret or secret_file"}},
		"short secret":         {app("secret: 15-characters.x"), []string{"c.yaml:5:17: apps[0].keys[0].secret: secret shorter than 16 bytes"}},
		"known secret":         {app("secret: your-256-bit-secret"), []string{"c.yaml:5:17: apps[0].keys[0].secret: secret published in documentation or samples, so known to everybody"}},
		"both secrets":         {app(secretLine, "secret_file: s"), []string{"c.yaml:6:22: apps[0].keys[0].secret_file: both secret and secret_file: one of them is to go"}},
		"no secret file":       {app("secret_file: missing"), []string{"c.yaml:5:22: apps[0].keys[0].secret_file: missing cannot be read: no such file or directory"}},

		// Values that do not go together.
		"admin for everybody":   {app(secretLine) + "server: {admin_listen: 0.0.0.0:8090}\n", []string{"c.yaml:6:24: server.admin_listen: reachable from other hosts without a token: set server.admin_token_file, or listen on 127.0.0.1"}},
		"admin on every host":   {app(secretLine) + "server: {admin_listen: \":8090\"}\n", []string{"c.yaml:6:24: server.admin_listen: reachable from other hosts without a token: set server.admin_token_file, or listen on 127.0.0.1"}},
		"one address for both":  {app(secretLine) + "server:\n  listen: 127.0.0.1:80\n  admin_listen: 127.0.0.1:80\n", []string{"c.yaml:8:17: server.admin_listen: the same address as server.listen"}},
		"certificate alone":     {app(secretLine) + "server: {tls: {cert_file: a}}\n", []string{"c.yaml:6:15: server.tls: cert_file and key_file go together"}},
		"certificate not there": {app(secretLine) + "server: {tls: {cert_file: a, key_file: b}}\n", []string{"c.yaml:6:27: server.tls.cert_file: a cannot be read: no such file or directory", "c.yaml:6:40: server.tls.key_file: b cannot be read: no such file or directory"}},
		"several at once": {"log: {level: loud}\n" + app("secret: short", "state: on") + "cache: {max_bytes: x}\n", []string{
			`c.yaml:1:14: log.level: "loud" is none of info, debug, warn, error`,
			"c.yaml:6:17: apps[0].keys[0].secret: secret shorter than 16 bytes",
			`c.yaml:7:16: apps[0].keys[0].state: "on" is none of active, verify_only, disabled, revoked`,
			`c.yaml:8:20: cache.max_bytes: "x" is not an amount of memory such as 256MiB`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, problems(t, Source{Path: write(t, "c.yaml", c.text)}))
		})
	}
}

func TestFilesThatAreNoConfiguration(t *testing.T) {
	dir := t.TempDir()
	require.Equal(t, []string{"none.yaml: cannot be read: no such file or directory"}, problems(t, Source{Path: filepath.Join(dir, "none.yaml")}))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "dir.yaml"), 0o700))
	require.Equal(t, []string{"dir.yaml: is a directory"}, problems(t, Source{Path: filepath.Join(dir, "dir.yaml")}))

	large := good + "#" + strings.Repeat("x", maxFileBytes-len(good)-1)
	require.Empty(t, problems(t, Source{Path: write(t, "c.yaml", large)}), "4 MiB is the limit")
	require.Equal(t, []string{"c.yaml: is larger than 4 MiB"}, problems(t, Source{Path: write(t, "c.yaml", large+"x")}))
}

func TestProblemsAreBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString(good)
	for range 1000 {
		text.WriteString("what: is this\n")
	}
	got := problems(t, Source{Path: write(t, "c.yaml", text.String())})
	require.Len(t, got, maxProblems+1)
	require.Contains(t, got[maxProblems], "more problems")
}

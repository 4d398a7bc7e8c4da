package config

import "fmt"

// starter is what `config init` writes. What is commented out has its default.
const starter = `# Portcullis. Check this file with: portcullis config check -c FILE
# Changes are taken over while the server runs, on SIGHUP and when the file changes.
server:
  listen: 127.0.0.1:8080             # public
  admin_listen: 127.0.0.1:8090       # metrics, health, profiles, reload; keep it on loopback
  # allow_insecure_basic: true       # API keys without TLS; by default only when listen is a loopback address
  # tls: {cert_file: server.crt, key_file: server.key}
  # trusted_proxies: [10.0.0.0/8]    # whose X-Forwarded-For and X-Forwarded-Proto count
  # admin_token_file: admin.token    # needed when admin_listen is reachable from other hosts
  # max_connections: 65536
  # max_connections_per_ip: 0        # 0: no limit
  # sandbox: false                   # true: POST /apps makes apps that live for a day
  # sandbox_token_file: sandbox.token  # needed when listen is reachable from other hosts
store: bolt:portcullis.db            # a file beside this one; memory: keeps nothing
apps:
  - id: %s
    keys:
      # The API key of this entry, for an Ably SDK, is id of the app, dot, id of the key, colon, secret.
      - id: %s
        secret: "%s"                 # or secret_file: FILE, of mode 0600
        capability: {"*": ["*"]}     # resource: operations; for example {"chat:*": [publish, subscribe]}
        revocable_tokens: false      # true: tokens live for at most revocable_max_ttl
        state: active                # active, verify_only (its tokens only), disabled or revoked
        # not_after: 2030-01-01T00:00:00Z
        # restrictions: {origins: ["https://app.example.com"], ips: [10.0.0.0/8]}   # of the key itself, not of its tokens
limits:
  refusals_per_token: 10             # in ten seconds, then 429; 0: no limit
  revocations_per_minute: 60         # requests of one app, then 429; 0: no limit
tokens:
  # channel_revocation: false        # true: tokens can also be revoked by channel
  # seal_secrets_file: seal.secrets  # one a line, newest first; by default one is made and kept in the store
  max_ttl: 24h
  revocable_max_ttl: 1h
  unknown_ably_claims: refuse        # warn and ignore admit tokens with unknown x-ably- claims
  allow_weak_secrets: false          # true: also secrets that are short or published
  spelling: strict                   # documented: also tokens in standard-alphabet or padded base64
cache:
  max_bytes: 256MiB                  # 0: no cache
log:
  level: info                        # debug, info, warn or error
  format: json                       # or text
`

// Starter returns the text of a commented configuration file with a fresh key.
func Starter() string {
	return fmt.Sprintf(starter, newKeyID()[:6], newKeyID()[:6], string(NewSecret()))
}

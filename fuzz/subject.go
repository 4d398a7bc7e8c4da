package fuzz

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"portcullis/capability"
	"portcullis/engine"
)

// What the targets call, with the planted defect, if any, in between. Each
// defect is one that verifiers in the field have had.

// verify verifies a token at now, cold or, from the second time on, cached.
func verify(v *engine.Verifier, g *engine.Grant, token []byte, now int64) error {
	switch planted {
	case "line-breaks": // decoders that skip CR and LF give a token many spellings
		token = bytes.ReplaceAll(bytes.ReplaceAll(token, []byte("\n"), nil), []byte("\r"), nil)
	case "padding": // decoders that do not mind padding
		token = bytes.ReplaceAll(token, []byte("="), nil)
	case "any-depth": // what is carried is opened however deep it is
		for inner := carried(token); inner != nil && carried(inner) != nil; inner = carried(token) {
			token = inner
		}
	case "outer-outlived": // the outer token is thrown away, its exp with it
		if inner := carried(token); inner != nil {
			token = inner
		}
	case "claims-first": // claims are searched before it is known whose they are
		if header, rest, _ := bytes.Cut(token, []byte(".")); carriedIn(string(header)) == nil && carried(token) != nil {
			token = append([]byte("e30."), rest...)
		}
	case "leeway": // a little leeway on exp
		now -= 1000
	}
	return v.VerifyToken(g, token, engine.UnixMilli(now))
}

// verifyAccess verifies an access token at now.
func verifyAccess(v *engine.Verifier, a *engine.AccessToken, k *engine.ServiceKey, token []byte, now int64) error {
	err := v.VerifyAccessToken(a, k, token, engine.UnixMilli(now))
	if planted == "proof-ignored" && err == engine.ErrAccessTokenProof { // a key-bound token taken for a bearer token
		return nil
	}
	return err
}

// sign makes a token of a header and a claims set, whatever they hold.
func sign(header, claims, secret string) []byte {
	switch planted {
	case "replaced-utf8": // readers that replace broken UTF-8 let ids collide
		claims = strings.ToValidUTF8(claims, "\ufffd")
	case "trailing-data": // readers that stop after the first value
		if end := strings.LastIndexByte(claims, '}'); end >= 0 {
			claims = claims[:end+1]
		}
	}
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return []byte(input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

func format(s *capability.Set) string {
	if planted == "unescaped-format" {
		return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s.String())
	}
	return s.String()
}

func intersect(a, b *capability.Set) *capability.Set {
	switch planted {
	case "one-sided-intersection": // what the first names, the second need not grant in full
		if a.Len() == 1 && b.Len() > 1 {
			return a
		}
	case "widening-intersection": // the union, when nothing is in common
		if s := capability.Intersect(a, b); s.Len() > 0 || a.Len() == 0 {
			return s
		}
		return a
	case "losing-intersection": // something with itself loses a rule
		if a.String() == b.String() && a.Len() > 1 {
			first, _ := capability.Parse([]byte(`{` + strings.SplitN(strings.Trim(a.String(), "{}"), "],", 2)[0] + `]}`))
			return first
		}
	}
	return capability.Intersect(a, b)
}

func operations(m *capability.Matcher, r capability.Resource) capability.Op {
	if planted == "prefix-match" && bytes.HasSuffix(r.Path, []byte(":")) { // an empty last segment taken for none
		r.Path = bytes.TrimRight(r.Path, ":")
	}
	return m.OpsOn(r)
}

func parseChannel(name []byte) (capability.Resource, error) {
	if planted == "queues-attach" {
		if rest, ok := bytes.CutPrefix(name, []byte("[queue]")); ok {
			name = rest
		}
	}
	return capability.ParseChannel(name)
}

// parseRequest reads a TokenRequest.
func parseRequest(r *engine.TokenRequest, body []byte) error {
	if planted == "last-name-wins" { // as the readers of most languages read
		var members map[string]json.RawMessage
		if json.Unmarshal(body, &members) == nil {
			body, _ = json.Marshal(members)
		}
	}
	return engine.ParseTokenRequest(r, body)
}

// redeem redeems a TokenRequest at now.
func redeem(v *engine.Verifier, g *engine.Grant, r *engine.TokenRequest, spender engine.Spender, now int64) error {
	switch planted {
	case "timestamp-leeway": // a little leeway beside the window
		if stamped, err := strconv.ParseInt(string(r.Timestamp), 10, 64); err == nil && stamped < now {
			now -= min(500, now-stamped)
		}
	case "nonce-first": // spent before anything is known
		_, _ = spender.Spend(context.Background(), new(engine.Nonce))
	}
	return v.Redeem(context.Background(), g, r, spender, engine.UnixMilli(now))
}

// mint mints a JWT.
func mint(s *engine.Signer, p *engine.TokenParams) ([]byte, error) {
	if planted == "cut-client-id" { // as columns of a fixed width do
		q := *p
		q.ClientID = q.ClientID[:min(len(q.ClientID), 32)]
		p = &q
	}
	return s.AppendJWT(nil, p)
}

// verifyIssued verifies an issued token.
func verifyIssued(v *engine.Verifier, g *engine.Grant, token []byte, now int64) error {
	if planted == "rounded-expiry" { // a clock of whole seconds
		now = (now + 999) / 1000 * 1000
	}
	return v.VerifyToken(g, token, engine.UnixMilli(now))
}

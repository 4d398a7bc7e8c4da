package fuzz

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/internal/oracle"
	"portcullis/internal/vectors"
)

// notes is a Spender that takes every nonce, and notes the last.
type notes struct {
	calls int
	last  engine.Nonce
}

func (n *notes) Spend(_ context.Context, nonce *engine.Nonce) (engine.SpendOutcome, time.Duration) {
	n.calls, n.last = n.calls+1, *nonce
	return engine.Fresh, 0
}

// bench holds a verifier that can seal, the oracle's keys, and a Signer of each key.
type bench struct {
	verifier *engine.Verifier
	keys     []oracle.Key
	signers  []*engine.Signer
}

func newBench(f testing.TB) *bench {
	keys, err := vectors.EngineKeys(vectors.Keys())
	require.NoError(f, err)
	seal, err := engine.NewSealSecret("a sealing secret of the token requests")
	require.NoError(f, err)
	b := new(bench)
	b.verifier, err = engine.NewVerifier(engine.Options{Keys: keys, Seal: []engine.SealSecret{seal}})
	require.NoError(f, err)
	for _, k := range vectors.Keys() {
		b.keys = append(b.keys, oracle.Key(k))
		s, err := engine.NewSigner(engine.Secret(k.Name + ":" + k.Secret))
		require.NoError(f, err)
		b.signers = append(b.signers, s)
	}
	return b
}

const (
	macAsSent = iota
	macOfText
	macOfCanonicalText
	macKinds
)

// sizes between which it is the sealed form's to say whether a capability fits into
// a token of 8 KiB.
const surelyFits, surelyTooLarge = 4_000, 6_200

// FuzzTokenRequest holds reading and redeeming a TokenRequest against a second plain
// reading. Two of three are well signed, or nothing behind the mac would be reached.
func FuzzTokenRequest(f *testing.F) {
	b := newBench(f)
	for _, seed := range requestSeeds() {
		for kind := range uint8(macKinds) {
			f.Add([]byte(seed), int64(vectors.DefaultNow), kind)
		}
	}
	issuer := engine.NewIssuer()
	f.Fuzz(func(t *testing.T, body []byte, now int64, macKind uint8) {
		now = clampTime(now)
		if len(body) > 64<<10 {
			return
		}
		want, wrongClientID, wrong := oracle.ParseTokenRequest(string(body))
		var r engine.TokenRequest
		if err := parseRequest(&r, body); wrong || wrongClientID {
			require.True(t, wrong && err == engine.ErrTokenRequest || wrongClientID && err == engine.ErrRequestClientID, "%v: %q", err, body)
			return
		} else {
			require.NoError(t, err, "%q", body)
		}
		require.Equal(t, want, oracle.TokenRequest{
			KeyName: string(r.KeyName), TTL: string(r.TTL), Capability: string(r.Capability), ClientID: string(r.ClientID),
			Timestamp: string(r.Timestamp), Nonce: string(r.Nonce), MAC: string(r.MAC),
		}, "%q", body)
		if mac := b.mac(want, macKind%macKinds); mac != "" {
			want.MAC, r.MAC = mac, []byte(mac)
		}
		b.requireOneAnswer(t, issuer, &r, want, now)
	})
}

// mac is what the request is signed with, "" for what it has.
func (b *bench) mac(r oracle.TokenRequest, kind uint8) string {
	text := r.Capability
	if kind == macOfCanonicalText {
		if c, err := oracle.ParseCapability(text); err == nil {
			text = c.Canonical()
		}
	}
	for _, k := range b.keys {
		if k.Name == r.KeyName && kind != macAsSent {
			return r.Sign(k.Secret, text)
		}
	}
	return ""
}

// requireOneAnswer redeems a request, and holds the answer and the token against
// the oracle's.
func (b *bench) requireOneAnswer(t *testing.T, issuer *engine.Issuer, r *engine.TokenRequest, request oracle.TokenRequest, now int64) {
	t.Helper()
	want := oracle.Redeem(b.keys, request, now)
	var spent notes
	var g engine.Grant
	err := redeem(b.verifier, &g, r, &spent, now)
	if want.Reason == "" && err == engine.ErrTokenSize {
		require.Greater(t, len(want.Capability)+len(want.ClientID), surelyFits)
		require.Zero(t, spent.calls)
		return
	}
	if want.Reason != "" {
		info, ok := err.(*engine.ErrorInfo)
		require.True(t, ok, "the oracle refuses (%s), the engine says %v: %+v", want.Reason, err, request)
		require.Equal(t, want, oracle.Verdict{Reason: string(info.Reason()), Code: info.Code, Status: info.StatusCode}, "%+v", request)
		require.Zero(t, spent.calls, "a nonce was spent for nothing")
		require.Empty(t, g.KeyName())
		return
	}
	require.NoError(t, err, "%+v", request)
	require.Equal(t, 1, spent.calls)
	stamped, parseErr := strconv.ParseInt(request.Timestamp, 10, 64)
	require.NoError(t, parseErr)
	require.Equal(t, [2]int64{stamped, stamped + 130_000}, [2]int64{int64(spent.last.Stamped), int64(spent.last.Expires)})
	require.Equal(t, engine.NonceKey(request.KeyName, []byte(request.Nonce)), spent.last.Key)
	var d engine.TokenDetails
	require.NoError(t, issuer.Issue(&d, &g), "what is redeemed must be issuable: the nonce is spent")
	require.Less(t, len(want.Capability), surelyTooLarge)
	requireGrants(t, want, &g)
	if want.Expires > want.Issued {
		var verified engine.Grant
		require.NoError(t, b.verifier.VerifyToken(&verified, d.Token, engine.UnixMilli(now)))
		requireGrants(t, want, &verified)
	}
}

func requireGrants(t *testing.T, want oracle.Verdict, g *engine.Grant) {
	t.Helper()
	require.Equal(t, want, oracle.Verdict{
		KeyName: g.KeyName(), ClientKind: g.Identity().Kind.String(), ClientID: string(g.Identity().ID), Capability: string(g.AppendCapability(nil)),
		Issued: int64(g.Issued()), Expires: int64(g.Expires()),
	})
}

// requestSeeds are TokenRequests, good and bad in one way each.
func requestSeeds() (seeds []string) {
	whole := map[string]string{
		"keyName": `"appId.keyId"`, "ttl": "60000", "capability": `"{\"b\":[\"subscribe\",\"publish\"], \"a\":[\"*\"]}"`, "clientId": `"ana"`,
		"timestamp": "1700000100000", "nonce": `"0123456789abcdef"`, "mac": `"bWFj"`,
	}
	with := func(name, value string) string {
		var members []string
		for _, n := range []string{"keyName", "ttl", "capability", "clientId", "timestamp", "nonce", "mac"} {
			v := whole[n]
			if n == name {
				v = value
			}
			if v != "" {
				members = append(members, strconv.Quote(n)+":"+v)
			}
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	seeds = append(seeds, with("", ""), "", "{}", "[]", `{"keyName":1}`, with("", "")+" x", strings.Replace(with("", ""), "{", `{"nonce":"0123456789abcdeX",`, 1))
	for name, values := range map[string][]string{
		"keyName":    {"", `""`, "null", `"appId.revocable"`, `"appId.disabled"`, `"appId.revoked"`, `"appId.verifyonly"`, `"appId.expired"`, `"appId.k1"`, `"appId.meta"`, `"appId.wide"`, `"appId.none"`, `"none.keyId"`, `"appId.keyId\n"`, `"appId.keyI\u0064"`},
		"ttl":        {"", "0", `"0"`, `"60000"`, "86400000", "86400001", "3600001", "-1", "1e3", "1.5", `"060"`, `"\n"`, "null", "true", "99999999999999999999"},
		"capability": {"", `""`, `"{}"`, `"{\"a\":[\"*\"]}"`, `"{\"a\":[\"fly\"]}"`, `"{ \"a\" : [\"*\"] }"`, `"{\"a\":[\"*\"]}\n"`, `"x"`, "{}", `"{\"[*]*\":[\"*\"]}"`, `"{\"canpublish:*\":[\"*\"]}"`, `"{\"a\":[\"*\"],\"a\":[\"*\"]}"`},
		"clientId":   {"", `""`, `"*"`, `"a*"`, `"a*b"`, `"\nadmin"`, `"\u0000"`, "1", "null", `"é"`, strconv.Quote(strings.Repeat("x", 257))},
		"timestamp":  {"", "0", "1699999980000", "1699999979999", "1700000220000", "1700000220001", `"1700000100000"`, `"01700000100000"`, "1.7e12", "null"},
		"nonce":      {"", `"short"`, `"0123456789abcde"`, `"éééééééééééééééé"`, `"0123456789abcdef\n"`, "1234567890123456"},
		"mac":        {"", `""`, "null", "1", strconv.Quote(strings.Repeat("A", 43) + "=")},
	} {
		for _, value := range values {
			seeds = append(seeds, with(name, value))
		}
	}
	var many strings.Builder
	for i := range 70 {
		fmt.Fprintf(&many, `"x%d":0,`, i)
	}
	return append(seeds, strings.Replace(with("", ""), "{", "{"+many.String(), 1))
}

package timing

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
)

const (
	keyName = "appId.keyId"
	secret  = "0123456789abcdef0123456789abcdef"
	now     = engine.UnixMilli(1700000100000)
)

// secretPair is two inputs whose times must not tell which is which.
type secretPair struct {
	name   string
	inputs [2][]byte
	run    func(v *engine.Verifier, input []byte) error
	want   error
}

func verifyToken(v *engine.Verifier, input []byte) error {
	var g engine.Grant
	return v.VerifyToken(&g, input, now)
}

func verifyKey(v *engine.Verifier, input []byte) error {
	var g engine.Grant
	return v.VerifyKey(&g, input, now)
}

// flipped changes one character of text into another of its alphabet.
func flipped(text string, at int) []byte {
	changed := []byte(text)
	if changed[at] = 'A'; text[at] == 'A' {
		changed[at] = 'B'
	}
	return changed
}

func token(t testing.TB, kid string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(`{"alg":"HS256","typ":"JWT","kid":"`+kid+`"}`)) + "." + encode([]byte(`{"iat":1700000000,"exp":1700003600,"x-ably-clientId":"ana"}`))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + encode(mac.Sum(nil))
}

// pairs are what an attacker could learn something from: how much of a MAC or of a
// secret is right already.
func pairs(t testing.TB) []secretPair {
	good := token(t, keyName)
	signature := strings.LastIndexByte(good, '.') + 1
	key := keyName + ":" + secret
	return []secretPair{
		{"JWT signature, first or last byte wrong", [2][]byte{flipped(good, signature), flipped(good, len(good)-2)}, verifyToken, engine.ErrSignature},
		{"API key, secret wrong from its first or at its last byte", [2][]byte{flipped(key, len(keyName)+1), flipped(key, len(key)-1)}, verifyKey, engine.ErrSecret},
		{"API key, nothing or all but one byte of the secret right", [2][]byte{[]byte(keyName + ":" + strings.Repeat("x", len(secret))), flipped(key, len(key)-1)}, verifyKey, engine.ErrSecret},
		requestPair(),
	}
}

// requestPair is a TokenRequest whose mac is wrong in its first or last byte. The
// nonce is spent behind that, so no store is asked.
func requestPair() secretPair {
	r := engine.TokenRequest{KeyName: []byte(keyName), Timestamp: strconv.AppendInt(nil, int64(now), 10), Nonce: []byte("0123456789abcdef")}
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s\n\n\n\n%d\n%s\n", keyName, now, r.Nonce)
	text := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return secretPair{"TokenRequest mac, first or last byte wrong", [2][]byte{flipped(text, 0), flipped(text, len(text)-3)}, func(v *engine.Verifier, input []byte) error {
		var g engine.Grant
		r.MAC = input
		return v.Redeem(context.Background(), &g, &r, nil, now)
	}, engine.ErrMAC}
}

func newVerifier(t testing.TB) *engine.Verifier {
	t.Helper()
	v, err := engine.NewVerifier(engine.Options{Keys: []engine.Key{{Name: keyName, Secret: secret}}})
	require.NoError(t, err)
	return v
}

// measure compares the two inputs of a pair by the real clock.
func measure(t testing.TB, inputs [2][]byte, samples int, run func(input []byte)) Result {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	require.Equal(t, len(inputs[0]), len(inputs[1]))
	input := make([]byte, len(inputs[0]))
	began := time.Now()
	return Compare(Subject{
		Prepare: func(class int) { copy(input, inputs[class]) },
		Run:     func() { run(input) },
	}, samples, func() int64 { return int64(time.Since(began)) }, uint64(time.Now().UnixNano()))
}

// Both inputs of every pair get the same answer, or time would be the least of it.
func TestPairsAreRefusedAlike(t *testing.T) {
	v := newVerifier(t)
	require.NoError(t, verifyToken(v, []byte(token(t, keyName))))
	for _, p := range pairs(t) {
		for _, input := range p.inputs {
			require.Equal(t, p.want, p.run(v, input), p.name)
		}
		r := measure(t, p.inputs, 200, func(input []byte) { _ = p.run(v, input) })
		require.Equal(t, 200, r.Samples)
	}
}

// TestTiming is the long run: a million samples of each class by this machine's own
// clock, of the engine, and of a planted comparison that stops at the first
// difference.
func TestTiming(t *testing.T) {
	if os.Getenv("PORTCULLIS_LONG") == "" {
		t.Skip("a long run of its own: make timing")
	}
	const samples = 1_000_000
	v := newVerifier(t)
	for _, p := range pairs(t) {
		r := measure(t, p.inputs, samples, func(input []byte) { _ = p.run(v, input) })
		fmt.Printf("%s: max |t| %.2f, goal < %.1f\n  %s\n", p.name, r.Max(), Limit, &r)
		require.False(t, r.Differ(), p.name)
	}

	right, wrong := guesses()
	found := false
	r := measure(t, wrong, samples, func(input []byte) { found = stopsEarly(right, input) })
	require.False(t, found)
	fmt.Printf("planted, a comparison that stops at the first difference: max |t| %.2f, goal >= %.1f\n  %s\n", r.Max(), Limit, &r)
	require.True(t, r.Differ(), "the planted defect went unnoticed")

	// Which of the two it is the code says anyway (40400 or 40144); that there is no
	// such key must not be learnt at a lower price than that a signature is wrong.
	known, unknown := token(t, keyName), token(t, "appId.keyXd")
	inputs := [2][]byte{flipped(known, len(known)-2), []byte(unknown)}
	r = measure(t, inputs, samples, func(input []byte) { _ = verifyToken(v, input) })
	fmt.Printf("wrong signature, unknown key: medians %.0f and %.0f ns, goal: within a tenth\n  %s\n", r.Median[0], r.Median[1], &r)
	require.InDelta(t, r.Median[0], r.Median[1], r.Median[0]/10)
}

//go:noinline
func stopsEarly(a, b []byte) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

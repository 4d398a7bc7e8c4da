package admission_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
)

const (
	secret      = "0123456789abcdef0123456789abcdef"
	otherSecret = "fedcba9876543210fedcba9876543210"
)

// world is a Verifier whose keys the test changes, and what mints their tokens.
type world struct {
	testing.TB
	*engine.Verifier
	keys []engine.Key
}

func newWorld(t testing.TB) *world {
	t.Helper()
	everything, err := capability.Parse([]byte(`{"[*]*":["*"]}`))
	require.NoError(t, err)
	seal, err := engine.NewSealSecret("a sealing secret of at least 32 bytes")
	require.NoError(t, err)
	w := &world{TB: t, keys: []engine.Key{
		{Name: "appId.keyId", Secret: secret, Capability: everything},
		{Name: "appId.other", Secret: secret, Capability: everything},
		{Name: "otherApp.keyId", Secret: secret, Capability: everything},
	}}
	w.Verifier, err = engine.NewVerifier(engine.Options{Keys: w.keys, Seal: []engine.SealSecret{seal}})
	require.NoError(t, err)
	return w
}

// configure changes the first key.
func (w *world) configure(change func(k *engine.Key)) {
	w.Helper()
	change(&w.keys[0])
	require.NoError(w, w.ReplaceKeys(w.keys))
}

// token is what a test's JWT claims. Times are in milliseconds.
type token struct {
	key        string // name of the signing key; "" means the first one
	secret     string
	issued     engine.UnixMilli // cut to the second, as iat is; 0 means now
	expires    engine.UnixMilli // 0 means an hour after issued
	clientID   string
	capability string
	more       map[string]any
}

func (w *world) mint(k token) []byte {
	w.Helper()
	if k.key == "" {
		k.key = "appId.keyId"
	}
	if k.secret == "" {
		k.secret = secret
	}
	if k.issued == 0 {
		k.issued = now
	}
	if k.expires == 0 {
		k.expires = k.issued/1000*1000 + 3_600_000
	}
	claims := map[string]any{"iat": k.issued / 1000, "exp": float64(k.expires) / 1000}
	if k.clientID != "" {
		claims["x-ably-clientId"] = k.clientID
	}
	if k.capability != "" {
		claims["x-ably-capability"] = k.capability
	}
	maps.Copy(claims, k.more)
	text, err := json.Marshal(claims)
	require.NoError(w, err)
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT","kid":"`+k.key+`"}`)) + "." + encode(text)
	mac := hmac.New(sha256.New, []byte(k.secret))
	mac.Write([]byte(signed))
	return []byte(signed + "." + encode(mac.Sum(nil)))
}

// jwt returns the Grant of an Ably JWT, verified at at.
func (w *world) jwt(k token, at engine.UnixMilli) *engine.Grant {
	w.Helper()
	g := new(engine.Grant)
	if k.issued == 0 {
		k.issued = at
	}
	require.NoError(w, w.VerifyToken(g, w.mint(k), at))
	return g
}

// opaque returns the Grant of an issued token that grants the same as g, verified
// at at.
func (w *world) opaque(g *engine.Grant, at engine.UnixMilli) *engine.Grant {
	w.Helper()
	var details engine.TokenDetails
	require.NoError(w, engine.NewIssuer().Issue(&details, g))
	issued := new(engine.Grant)
	require.NoError(w, w.VerifyToken(issued, details.Token, at))
	return issued
}

// basic returns the Grant of the first key itself.
func (w *world) basic() *engine.Grant {
	w.Helper()
	g := new(engine.Grant)
	require.NoError(w, w.VerifyKey(g, []byte("appId.keyId:"+string(w.keys[0].Secret)), now))
	return g
}

// connect begins a connection with the clientId it asks for, "" for none.
func (w *world) connect(g *engine.Grant, asked string, at engine.UnixMilli) *admission.Session {
	w.Helper()
	s := new(admission.Session)
	require.NoError(w, admission.Admit(s, g, admission.Peer{ClientID: []byte(asked)}))
	s.Begin(at)
	return s
}

// attach attaches s, which must succeed.
func (w *world) attach(s *admission.Session, channel string, modes admission.Mode, at engine.UnixMilli) *admission.Attachment {
	w.Helper()
	a, err := s.Attach([]byte(channel), modes, at)
	require.NoError(w, err)
	return a
}

// publish publishes without naming a clientId.
func publish(s *admission.Session, channel string, at engine.UnixMilli) error {
	_, _, err := s.Publish([]byte(channel), nil, at)
	return err
}

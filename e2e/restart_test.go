package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// signTokenRequest signs a TokenRequest of now.
func signTokenRequest(t testing.TB, key, secret, clientID, nonce string) (body string) {
	t.Helper()
	body, err := signedTokenRequest(key, secret, clientID, nonce)
	require.NoError(t, err)
	return body
}

// signedTokenRequest signs as Ably's specification has it: six fields, each followed
// by a line feed.
func signedTokenRequest(key, secret, clientID, nonce string) (string, error) {
	now := time.Now().UnixMilli()
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s\n\n\n%s\n%d\n%s\n", key, clientID, now, nonce)
	text, err := json.Marshal(object{
		"keyName": key, "clientId": clientID, "timestamp": now, "nonce": nonce, "mac": base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	})
	return string(text), err
}

// TestARestartForgetsNothing shows that with a store on disk tokens outlive the
// process that issued them, as sandbox keys do, and that what was spent stays spent,
// be the process stopped or killed.
func TestARestartForgetsNothing(t *testing.T) {
	for end, stop := range map[string]func(*testing.T, *process){
		"stopped": func(t *testing.T, p *process) { p.stop(t) },
		"killed": func(t *testing.T, p *process) {
			require.NoError(t, p.cmd.Process.Kill())
			p.wait()
		},
	} {
		t.Run(end, func(t *testing.T) { restart(t, stop) })
	}
}

func restart(t *testing.T, stop func(*testing.T, *process)) {
	config := baseConfig("sandbox: true") + "store: bolt:" + filepath.Join(t.TempDir(), "portcullis.db") + "\n"
	ask := request{method: "POST", path: "/keys/" + keyChat + "/requestToken", body: signTokenRequest(t, keyChat, secretChat, "ana", "nonce-of-16-chars-or-more")}

	server := startServer(t, config)
	key := createApp(t, server.public, object{"capability": `{"chat:*":["publish"]}`})[0]
	a := ask.send(t, server.public)
	require.Equal(t, 201, a.status, "%s", a.body)
	var token tokenDetails
	require.NoError(t, json.Unmarshal(a.body, &token))
	want := admission{KeyName: keyChat, ClientID: "ana", Capability: chatCapability, Issued: token.Issued, Expires: token.Issued + hour}
	requireAdmitted(t, present(token.Token).send(t, server.public), want)
	stop(t, server)

	server = startServer(t, config)
	requireAdmitted(t, present(token.Token).send(t, server.public), want)
	requireRefused(t, ask.send(t, server.public), refusal{code: 40105, status: 401})
	require.Equal(t, 200, presentKey(key.KeyStr).send(t, server.public).status, "the sandbox key is still there")
	ask.body = signTokenRequest(t, keyChat, secretChat, "ana", "another-nonce-of-16-chars")
	require.Equal(t, 201, ask.send(t, server.public).status)
	server.stop(t)
}

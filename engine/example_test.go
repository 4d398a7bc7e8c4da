package engine_test

import (
	"errors"
	"fmt"

	"portcullis/capability"
	"portcullis/engine"
)

const (
	exampleSecret = engine.Secret("an-example-secret-of-32-bytes-xx")
	exampleNow    = engine.UnixMilli(1_700_000_000_000)
)

var exampleKeys = []engine.Key{{Name: "app.key", Secret: exampleSecret}}

// exampleToken mints a token, as an auth server would.
func exampleToken(clientID string) []byte {
	signer, err := engine.NewSigner("app.key:" + exampleSecret)
	if err != nil {
		panic(err)
	}
	token, err := signer.AppendJWT(nil, &engine.TokenParams{Issued: exampleNow, ClientID: clientID, Capability: `{"chat:*":["publish","subscribe"]}`})
	if err != nil {
		panic(err)
	}
	return token
}

func ExampleVerifier_VerifyToken() {
	v, err := engine.NewVerifier(engine.Options{Keys: exampleKeys})
	if err != nil {
		panic(err)
	}
	var g engine.Grant
	err = v.VerifyToken(&g, exampleToken("ana"), exampleNow)
	fmt.Println(err, g.KeyName(), g.Identity().Kind, string(g.Identity().ID), string(g.AppendCapability(nil)))

	err = v.VerifyToken(&g, exampleToken("ana"), exampleNow+3_600_000)
	var info *engine.ErrorInfo
	if errors.As(err, &info) {
		fmt.Println(info.Code, info.StatusCode, info.Message)
	}
	// Output:
	// <nil> app.key identified ana {"chat:*":["publish","subscribe"]}
	// 40142 401 token expired
}

// One Grant, used again and again, makes verification allocate nothing.
func ExampleVerifier_VerifyToken_loop() {
	v, err := engine.NewVerifier(engine.Options{Keys: exampleKeys, CacheBytes: 16 << 20})
	if err != nil {
		panic(err)
	}
	defer v.Close()
	var g engine.Grant
	for _, token := range [][]byte{exampleToken("ana"), exampleToken("ben"), []byte("a.b.c")} {
		if err := v.VerifyToken(&g, token, exampleNow); err != nil {
			fmt.Println("refused:", err)
			continue
		}
		fmt.Println("admitted:", string(g.Identity().ID)) // a view: copy it, or Clone the Grant, to keep it
	}
	// Output:
	// admitted: ana
	// admitted: ben
	// refused: invalid JWT format: a segment is not base64url
}

func ExampleGrant_Authorize() {
	v, _ := engine.NewVerifier(engine.Options{Keys: exampleKeys})
	var g engine.Grant
	if err := v.VerifyToken(&g, exampleToken("ana"), exampleNow); err != nil {
		panic(err)
	}
	for _, name := range []string{"chat:room1", "news"} {
		channel, err := capability.ParseChannel([]byte(name))
		if err != nil {
			panic(err)
		}
		fmt.Println(name, g.Authorize(channel, capability.Publish))
	}
	// Output:
	// chat:room1 <nil>
	// news operation not permitted with provided capability
}

// A connection asks for a clientId; only a wildcard credential may choose.
func ExampleIdentity_Resolve() {
	v, _ := engine.NewVerifier(engine.Options{Keys: exampleKeys})
	var g engine.Grant
	for _, carried := range []string{"ana", "*", ""} {
		if err := v.VerifyToken(&g, exampleToken(carried), exampleNow); err != nil {
			panic(err)
		}
		identity, err := g.Identity().Resolve([]byte("zoe"))
		fmt.Printf("token for %q, asking for zoe: %s %s %v\n", carried, identity.Kind, identity.ID, err)
	}
	// Output:
	// token for "ana", asking for zoe: anonymous  Invalid clientId for credentials
	// token for "*", asking for zoe: identified zoe <nil>
	// token for "", asking for zoe: anonymous  Invalid clientId for credentials
}

// Keys are replaced as a whole while other goroutines verify. A verdict that
// begins afterwards knows only the new ones.
func ExampleVerifier_ReplaceKeys() {
	v, _ := engine.NewVerifier(engine.Options{Keys: exampleKeys})
	token, done := exampleToken("ana"), make(chan error)
	go func() {
		var g engine.Grant
		done <- v.VerifyToken(&g, token, exampleNow)
	}()
	fmt.Println("before:", <-done)

	rotated := []engine.Key{
		{Name: "app.key", Secret: exampleSecret, State: engine.VerifyOnly},
		{Name: "app.key2", Secret: "another-secret-of-32-bytes-xxxxx"},
	}
	fmt.Println("replaced:", v.ReplaceKeys(rotated))
	var g engine.Grant
	fmt.Println("its tokens:", v.VerifyToken(&g, token, exampleNow))
	fmt.Println("the key itself:", v.VerifyKey(&g, []byte("app.key:"+exampleSecret), exampleNow))
	// Output:
	// before: <nil>
	// replaced: <nil>
	// its tokens: <nil>
	// the key itself: key not permitted
}

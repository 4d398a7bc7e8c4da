package admission_test

import (
	"errors"
	"fmt"
	"strings"

	"portcullis/admission"
	"portcullis/engine"
)

// lineServer speaks a protocol of its own, a line for each thing:
//
//	CONNECT token · JOIN channel · SAY channel text · RENEW token
type lineServer struct{ verifier *engine.Verifier }

// lineConnection is one of its connections. The caller gives the time, reads the
// lines, and calls tick when the Session's Next says so.
type lineConnection struct {
	server  *lineServer
	session admission.Session
}

func (c *lineConnection) handle(line string, now engine.UnixMilli) string {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "CONNECT":
		var g engine.Grant
		if err := c.server.verifier.VerifyToken(&g, []byte(rest), now); err != nil {
			return refused(err)
		}
		if err := admission.Admit(&c.session, &g, admission.Peer{}); err != nil {
			return refused(err)
		}
		c.session.Begin(now)
		return fmt.Sprintf("WELCOME %s", c.session.Identity().ID)
	case "JOIN":
		a, err := c.session.Attach([]byte(rest), admission.ModePublish|admission.ModeSubscribe, now)
		if err != nil {
			return refused(err)
		}
		return fmt.Sprintf("JOINED %s, reading: %t", a.Name(), c.session.Delivers(a, admission.ModeSubscribe, now))
	case "SAY":
		channel, text, _ := strings.Cut(rest, " ")
		sender, _, err := c.session.Publish([]byte(channel), nil, now)
		if err != nil {
			return refused(err)
		}
		return fmt.Sprintf("SAID %s: %s", sender, text)
	case "RENEW":
		var g engine.Grant
		if err := c.server.verifier.VerifyToken(&g, []byte(rest), now); err != nil {
			return refused(err)
		}
		lost, err := c.session.Reauthenticate(&g, now)
		if err != nil {
			return refused(err)
		}
		answer := "RENEWED"
		for _, a := range lost {
			answer += fmt.Sprintf(", left %s", a.Name())
		}
		return answer
	}
	return "WHAT"
}

func (c *lineConnection) tick(now engine.UnixMilli) string {
	switch action := c.session.Tick(now); action.Kind {
	case admission.AskReauth:
		return "RENEW, please"
	case admission.Disconnect:
		return "BYE, come back with a new token: " + action.Err.Error()
	case admission.Fail:
		return "BYE: " + action.Err.Error()
	}
	return ""
}

func refused(err error) string {
	var info *engine.ErrorInfo
	errors.As(err, &info)
	return fmt.Sprintf("NO %d %s", info.Code, info.Message)
}

// Admission in front of a protocol that is not Ably's.
func Example() {
	verifier, err := engine.NewVerifier(engine.Options{Keys: []engine.Key{{Name: "app.key", Secret: "an-example-secret-of-32-bytes-xx"}}})
	if err != nil {
		panic(err)
	}
	signer, err := engine.NewSigner("app.key:an-example-secret-of-32-bytes-xx")
	if err != nil {
		panic(err)
	}
	const start = engine.UnixMilli(1_700_000_000_000)
	mint := func(issued engine.UnixMilli, clientID, capability string) string {
		token, err := signer.AppendJWT(nil, &engine.TokenParams{Issued: issued, TTL: 60e9, ClientID: clientID, Capability: capability})
		if err != nil {
			panic(err)
		}
		return string(token)
	}

	c := lineConnection{server: &lineServer{verifier}}
	fmt.Println(c.handle("CONNECT "+mint(start, "ana", `{"chat:*":["publish","subscribe"],"news":["subscribe"]}`), start))
	fmt.Println(c.handle("JOIN chat:one", start))
	fmt.Println(c.handle("JOIN news", start))
	fmt.Println(c.handle("SAY chat:one hello", start+1000))
	fmt.Println(c.handle("SAY news hello", start+1000))

	next := c.session.Next()
	fmt.Println(next.Sub(start), c.tick(next))
	fmt.Println(c.handle("RENEW "+mint(next, "ben", ""), next))
	fmt.Println(c.handle("RENEW "+mint(next, "ana", `{"chat:*":["publish"]}`), next))

	for next = c.session.Next(); next != 0; next = c.session.Next() {
		fmt.Println(next.Sub(start), c.tick(next))
	}
	fmt.Println(c.handle("SAY chat:one anybody there?", start+90_000))
	// Output:
	// WELCOME ana
	// JOINED chat:one, reading: true
	// JOINED news, reading: true
	// SAID ana: hello
	// NO 40160 operation not permitted with provided capability
	// 30s RENEW, please
	// NO 40102 Invalid clientId for credentials
	// RENEWED, left news
	// 1m0s RENEW, please
	// 1m30s BYE, come back with a new token: token expired
	// NO 40142 token expired
}

package admission

import (
	"fmt"

	"portcullis/capability"
	"portcullis/engine"
)

// Explain adds to x, the explanation of a credential, the checks that Admit and
// Authorize take. No channel and no op means that none was asked for.
func Explain(x *engine.Explanation, peer Peer, channel []byte, op capability.Op) (rules []capability.RuleTrace) {
	var s Session
	err := Admit(&s, &x.Grant, peer)
	if err == engine.ErrForbidden {
		x.Add(engine.StepPeer, engine.ErrForbidden, fmt.Sprintf("origin %.64q, address %s", peer.Origin, peer.IP))
		return nil
	}
	if err == engine.ErrClientType {
		x.Add(engine.StepClientID, engine.ErrClientType, "the peer declares server, the token "+declares(x.Grant.ClientType()))
		return nil
	}
	x.Add(engine.StepClientID, info(err), clientID(x.Grant.Identity(), peer, s.identity))
	if op == 0 {
		return nil
	}
	err = s.Authorize(channel, op)
	if err == engine.ErrPresenceClientID {
		x.Add(engine.StepOperation, info(err), "")
		return nil
	}
	resource, parseErr := capability.ParseChannel(channel)
	if parseErr != nil {
		x.Add(engine.StepChannel, engine.ErrChannel, fmt.Sprintf("%.64q", channel))
		return nil
	}
	x.Add(engine.StepChannel, nil, fmt.Sprintf("%.64q", resource.String()))
	granted := x.Grant.Ops(resource)
	x.Add(engine.StepOperation, info(err), fmt.Sprintf("needs %s; granted on this channel: %s", op, orNone(granted)))
	if x.Grant.KeyName() == "" {
		return nil
	}
	return x.Grant.Capability().Trace(resource, op)
}

func info(err error) *engine.ErrorInfo {
	if err == nil {
		return nil
	}
	return err.(*engine.ErrorInfo) // Admit and Authorize promise it
}

func orNone(op capability.Op) string {
	if op == 0 {
		return "none"
	}
	return op.String()
}

func clientID(carried engine.Identity, peer Peer, resolved engine.Identity) string {
	asked := "the request asks for none"
	if len(peer.ClientID) > 0 {
		asked = fmt.Sprintf("the request asks for %.64q", peer.ClientID)
	}
	text := fmt.Sprintf("the credential is %s, %s", describe(carried), asked)
	if resolved.Kind == engine.Anonymous && carried.Kind != engine.Anonymous {
		return text
	}
	return text + ", so the client is " + describe(resolved)
}

func declares(t engine.ClientType) string {
	if t == engine.DeviceClient {
		return "signs device"
	}
	return "signs none"
}

func describe(i engine.Identity) string {
	if i.Kind == engine.Identified {
		return fmt.Sprintf("%.64q", i.ID)
	}
	return i.Kind.String()
}

package oracle

// Admit takes an admitted credential to a connection or request: it settles the
// clientId and, where an operation is named, whether it is allowed on the channel.
// A refused verdict is returned as it is. An empty requestedClientID means that
// none was requested, an empty op that no operation is tried.
func Admit(v Verdict, requestedClientID string, channel, op string) Verdict {
	if v.Reason != "" {
		return v
	}
	if reason := resolveClientID(&v, requestedClientID); reason != "" {
		return refuse(reason)
	}
	if op == "" {
		return v
	}
	// A member of a presence set needs a name (RTP8i, RTP8j).
	if op == "presence" && v.ClientKind != Identified {
		return refuse("presence_without_client_id")
	}
	qualifier, path, err := ParseChannel(channel)
	if err != nil {
		return refuse("channel_invalid")
	}
	granted, err := ParseCapability(v.Capability)
	if err != nil {
		panic("oracle: verdict with capability " + v.Capability + ": " + err.Error())
	}
	if !granted.Allows(qualifier, path, op) {
		return refuse("capability_denied")
	}
	return v
}

// resolveClientID settles who the client is (RSA7, RSA15): a credential with a
// clientId is that client only, a wildcard may choose, an anonymous one may not.
// Nobody may ask to be the wildcard.
func resolveClientID(v *Verdict, requested string) string {
	if requested == "" {
		return ""
	}
	if requested == "*" || !validClientID(requested) {
		return "client_id_invalid"
	}
	switch {
	case v.ClientKind == Wildcard:
		v.ClientKind, v.ClientID = Identified, requested
	case v.ClientKind == Identified && v.ClientID == requested:
	default:
		return "client_id_mismatch"
	}
	return ""
}

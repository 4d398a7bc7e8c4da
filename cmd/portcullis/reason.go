package main

import "portcullis/engine"

// reasonFor finds the reason behind a server's answer. Clients are told a code
// and a message, which name one reason or a few that a stranger must not tell
// apart; of those the result is empty.
func reasonFor(code int, message string) (reason string) {
	for _, info := range engine.Errors() {
		if info.Code == code && info.Message == message {
			if reason != "" {
				return ""
			}
			reason = string(info.Reason())
		}
	}
	return reason
}

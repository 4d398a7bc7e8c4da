package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"portcullis/admission"
	"portcullis/engine"
)

// verdict is what verify prints with --json, one object a line.
type verdict struct{ admission.Verdict }

// decideLocally reaches the verdict in this process.
func decideLocally(v *engine.Verifier, token []byte, q *question, now engine.UnixMilli) (verdict, error) {
	op, err := q.operation()
	if err != nil {
		return verdict{}, err
	}
	var g engine.Grant
	var s admission.Session
	err = v.VerifyToken(&g, token, now)
	if err == nil {
		err = admission.Admit(&s, &g, admission.Peer{ClientID: []byte(q.clientID)})
	}
	if err == nil && op != 0 {
		err = s.Authorize([]byte(q.channel), op)
	}
	if err != nil {
		var info *engine.ErrorInfo
		if !errors.As(err, &info) {
			return verdict{}, fail(exitInternal, err)
		}
		return verdict{admission.RefusedVerdict(info)}, nil
	}
	return verdict{admission.AdmittedVerdict(&g, s.Identity())}, nil
}

// judgeable says why a token cannot be judged in this process: one that a server
// has issued is sealed with the server's own secret.
func judgeable(v *engine.Verifier, token string) error {
	if strings.Count(token, ".") == 1 && !strings.Contains(token, ":") && !v.CanOpen() {
		return failf(exitUsage, "an opaque Ably token can be judged only by the server that issued it: use verify --server URL")
	}
	return nil
}

func (d *verdict) print(w io.Writer, asJSON bool) {
	if asJSON {
		printJSON(w, d)
		return
	}
	if !d.Admitted {
		fmt.Fprintf(w, "REFUSED  %s  (Ably %d, HTTP %d)  %s\n", d.Reason, d.Code, d.StatusCode, d.Message)
		return
	}
	client := d.ClientID
	if client == "" {
		client = "(anonymous)"
	}
	fmt.Fprintf(w, "ADMITTED  key %s  clientId %s  until %s  capability %s\n",
		d.KeyName, client, engine.UnixMilli(d.Expires).Time().Format("2006-01-02T15:04:05.000Z07:00"), d.Capability)
}

// printJSON prints v on one line, without HTML escapes.
func printJSON(w io.Writer, v any) {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v)
}

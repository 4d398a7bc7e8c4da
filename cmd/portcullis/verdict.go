package main

import (
	"encoding/json"
	"fmt"
	"io"

	"portcullis/admission"
	"portcullis/engine"
)

// verdict is what verify prints with --json, one object a line.
type verdict struct {
	Admitted   bool   `json:"admitted"`
	Code       int    `json:"code,omitempty"`
	Status     int    `json:"statusCode,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Message    string `json:"message,omitempty"`
	KeyName    string `json:"keyName,omitempty"`
	ClientID   string `json:"clientId,omitempty"`
	Capability string `json:"capability,omitempty"`
	Issued     int64  `json:"issued,omitempty"`
	Expires    int64  `json:"expires,omitempty"`
}

func refusedWith(info *engine.ErrorInfo) verdict {
	return verdict{Code: info.Code, Status: info.StatusCode, Reason: string(info.Reason()), Message: info.Message}
}

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
	if info, refused := err.(*engine.ErrorInfo); refused {
		return refusedWith(info), nil
	}
	return verdict{
		Admitted: true, KeyName: g.KeyName(), ClientID: string(s.Identity().AppendClientID(nil)),
		Capability: string(g.AppendCapability(nil)), Issued: int64(g.Issued()), Expires: int64(g.Expires()),
	}, nil
}

func (d *verdict) print(w io.Writer, asJSON bool) {
	if asJSON {
		printJSON(w, d)
		return
	}
	if !d.Admitted {
		fmt.Fprintf(w, "REFUSED  %s  (Ably %d, HTTP %d)  %s\n", d.Reason, d.Code, d.Status, d.Message)
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

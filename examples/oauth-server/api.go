package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"time"
)

// api is the service at Portcullis.
type api struct{ url, token string }

// answer is what every answer has.
type answer struct {
	ResultMessage   string
	Action          string
	ResponseContent string
}

// authorizationAnswer is that of /auth/authorization.
type authorizationAnswer struct {
	answer
	Ticket    string
	LoginHint string
	Client    struct {
		ClientID      json.Number
		ClientIDAlias string
		ClientName    string
	}
	Scopes []struct{ Name string }
}

// call calls the service. When that fails it has answered the browser or client, and
// returns false.
func (a *api) call(w http.ResponseWriter, path string, request map[string]any, answer any) bool {
	body, err := json.Marshal(request)
	if err == nil {
		err = a.send(path, body, answer)
	}
	if err != nil {
		log.Printf("%s: %v", path, err)
		writeJSON(w, http.StatusBadGateway, map[string]any{"error": "server_error"})
		return false
	}
	return true
}

func (a *api) send(path string, body []byte, answer any) error {
	request, err := http.NewRequest(http.MethodPost, a.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+a.token)
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK { // the call itself is at fault, and the text says why
		return &callError{response.Status, string(text)}
	}
	return json.Unmarshal(text, answer)
}

type callError struct{ status, text string }

func (e *callError) Error() string { return e.status + " " + e.text }

// write does what the action says.
func (a *answer) write(w http.ResponseWriter) {
	status := http.StatusOK
	switch a.Action {
	case "LOCATION":
		w.Header().Set("Location", a.ResponseContent)
		w.WriteHeader(http.StatusFound)
		return
	case "OK":
	case "BAD_REQUEST":
		status = http.StatusBadRequest
	case "INVALID_CLIENT":
		w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
		status = http.StatusUnauthorized
	default:
		log.Print(a.ResultMessage)
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, a.ResponseContent) // a client that has gone needs no answer
}

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"portcullis/engine"
)

const key = engine.Secret("app.key:a-secret-of-more-than-16-bytes")

func mint(t *testing.T, p engine.TokenParams) string {
	t.Helper()
	s, err := engine.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	p.Issued = engine.Now()
	token, err := s.AppendJWT(nil, &p)
	if err != nil {
		t.Fatal(err)
	}
	return string(token)
}

func TestConnectionsAreAdmittedAndRefused(t *testing.T) {
	handler, err := newHandler(key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	token := mint(t, engine.TokenParams{ClientID: "ana", Capability: `{"chat:*":["subscribe"]}`})
	for _, c := range []struct {
		method, path, authorization, body string
		status                            int
	}{
		{"GET", "/subscribe/chat:a", "Bearer " + token, "welcome to chat:a, identified ana\n", 200},
		{"GET", "/subscribe/chat:a?clientId=ana", "Bearer " + token, "welcome to chat:a, identified ana\n", 200},
		{"GET", "/subscribe/chat:a?clientId=bob", "Bearer " + token, "40102", 401},
		{"GET", "/subscribe/news", "Bearer " + token, "40160", 401},
		{"POST", "/publish/chat:a", "Bearer " + token, "40160", 401},
		{"GET", "/subscribe/%5Bfoo%5Dx", "Bearer " + token, "40010", 400},
		{"GET", "/subscribe/chat:a", "Bearer " + token + "x", "40144", 401},
		{"GET", "/subscribe/chat:a", "", "40101", 401},
	} {
		request, err := http.NewRequest(c.method, server.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.authorization != "" {
			request.Header.Set("Authorization", c.authorization)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != c.status || !strings.Contains(string(body), c.body) {
			t.Errorf("%s %s: %d %q, want %d and %q", c.method, c.path, response.StatusCode, body, c.status, c.body)
		}
	}
}

func TestAKeyIsNeeded(t *testing.T) {
	for _, key := range []engine.Secret{"", "app.key", "app.key:short"} {
		if _, err := newHandler(key); err == nil {
			t.Error("accepted")
		}
	}
}

// What an embedder does not use is not compiled.
func TestCompilesNoServer(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "portcullis/engine") {
		t.Fatal("the list of packages is not that of this program")
	}
	for _, not := range []string{"fasthttp", "yaml", "cobra", "prometheus", "bbolt", "nats", "testify", "portcullis/server", "portcullis/store", "portcullis/cmd"} {
		for _, path := range strings.Fields(string(out)) {
			if strings.Contains(path, not) {
				t.Errorf("compiles %s", path)
			}
		}
	}
}

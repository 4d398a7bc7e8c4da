// Command oauth-server is an OAuth 2.0 authorization server (RFC 6749) that leaves
// the protocol to Portcullis: it passes on what clients send, asks the user, and does
// what each answer's action says. README.md has what it answers and why.
package main

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// maxBodyBytes bounds what clients may send.
const maxBodyBytes = 64 << 10

// users are who can log in. Put the application's own way of telling users here.
var users = map[string]bool{"ana": true, "ben": true}

//go:embed consent.html
var pages embed.FS

var consentPage = template.Must(template.ParseFS(pages, "consent.html"))

type authorizationServer struct {
	api      api
	issuer   string // this server's own URL, and the issuer of the service
	password string // of every user of this example
	// Who may introspect tokens: a resource server, which is no client.
	resourceID, resourceSecret string
}

func main() {
	s := &authorizationServer{
		api:      api{url: os.Getenv("PORTCULLIS_URL") + "/api/" + os.Getenv("SERVICE_ID"), token: os.Getenv("SERVICE_ACCESS_TOKEN")},
		password: os.Getenv("DEMO_PASSWORD"), resourceID: os.Getenv("RESOURCE_ID"), resourceSecret: os.Getenv("RESOURCE_SECRET"),
	}
	for _, name := range []string{"PORTCULLIS_URL", "SERVICE_ID", "SERVICE_ACCESS_TOKEN", "DEMO_PASSWORD", "RESOURCE_ID", "RESOURCE_SECRET"} {
		if os.Getenv(name) == "" {
			log.Fatal(name, " must be set")
		}
	}
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:9200"))
	if err != nil {
		log.Fatal(err)
	}
	s.issuer = cmp.Or(os.Getenv("ISSUER"), "http://"+listener.Addr().String())
	log.Printf("listening on http://%s", listener.Addr())
	log.Fatal((&http.Server{Handler: s.routes(), ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}).Serve(listener))
}

func (s *authorizationServer) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", s.authorize)
	mux.HandleFunc("POST /authorize", s.authorize) // RFC 6749 §3.1
	mux.HandleFunc("POST /consent", s.consent)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("POST /revoke", s.revoke)
	mux.HandleFunc("POST /introspect", s.introspect)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", s.metadata)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		w.Header().Set("Referrer-Policy", "no-referrer") // what stands in the URL of an authorization is nobody's business
		mux.ServeHTTP(w, r)
	})
}

// metadata tells clients where everything is (RFC 8414).
func (s *authorizationServer) metadata(w http.ResponseWriter, _ *http.Request) {
	methods := []string{"client_secret_basic", "client_secret_post", "none"}
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": s.issuer, "authorization_endpoint": s.issuer + "/authorize", "token_endpoint": s.issuer + "/token",
		"revocation_endpoint": s.issuer + "/revoke", "introspection_endpoint": s.issuer + "/introspect",
		"response_types_supported": []string{"code"}, "response_modes_supported": []string{"query"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token", "client_credentials"},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          methods,
		"revocation_endpoint_auth_methods_supported":     methods,
		"introspection_endpoint_auth_methods_supported":  []string{"client_secret_basic"},
		"authorization_response_iss_parameter_supported": true,
	})
}

// authorize passes an authorization request on, and shows the consent page when there
// is something to consent to.
func (s *authorizationServer) authorize(w http.ResponseWriter, r *http.Request) {
	parameters := r.URL.RawQuery
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "too long", http.StatusRequestEntityTooLarge)
			return
		}
		parameters = string(body)
	}
	var answer authorizationAnswer
	if !s.api.call(w, "/auth/authorization", map[string]any{"parameters": parameters}, &answer) {
		return
	}
	switch answer.Action {
	case "INTERACTION":
		s.ask(w, http.StatusOK, consent{Ticket: answer.Ticket, Client: answer.clientName(), Scopes: answer.scopeNames(), User: answer.LoginHint})
	case "NO_INTERACTION": // there are no sessions in this example, so nobody is logged in
		s.fail(w, answer.Ticket, "NOT_LOGGED_IN")
	default:
		answer.write(w)
	}
}

// consent is what the page shows, and what it sends back.
type consent struct {
	Ticket, Client, Scopes, User, Message string
}

func (s *authorizationServer) ask(w http.ResponseWriter, status int, c consent) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = consentPage.Execute(w, c) // a browser that has gone needs no page
}

// consent takes what the user has decided. The password goes with the decision, so no
// page of anybody else's can decide for him.
func (s *authorizationServer) consent(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "malformed", http.StatusBadRequest)
		return
	}
	c := consent{Ticket: r.PostFormValue("ticket"), Client: r.PostFormValue("client"), Scopes: r.PostFormValue("scopes"), User: r.PostFormValue("user")}
	switch {
	case r.PostFormValue("decision") != "allow":
		s.fail(w, c.Ticket, "DENIED")
	case !users[c.User] || !equal(r.PostFormValue("password"), s.password):
		c.Message = "Wrong user or password."
		s.ask(w, http.StatusUnauthorized, c)
	default:
		var answer answer
		if s.api.call(w, "/auth/authorization/issue", map[string]any{"ticket": c.Ticket, "subject": c.User, "authTime": time.Now().Unix()}, &answer) {
			answer.write(w)
		}
	}
}

func (s *authorizationServer) fail(w http.ResponseWriter, ticket, reason string) {
	var answer answer
	if s.api.call(w, "/auth/authorization/fail", map[string]any{"ticket": ticket, "reason": reason}, &answer) {
		answer.write(w)
	}
}

// token and revoke pass on the form and the client's Authorization header as they
// are: how its credentials are encoded is known behind.
func (s *authorizationServer) token(w http.ResponseWriter, r *http.Request) {
	s.passOn(w, r, "/auth/token")
}

func (s *authorizationServer) revoke(w http.ResponseWriter, r *http.Request) {
	s.passOn(w, r, "/auth/revocation")
}

func (s *authorizationServer) passOn(w http.ResponseWriter, r *http.Request, path string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "too long", http.StatusRequestEntityTooLarge)
		return
	}
	request := map[string]any{"parameters": string(body)}
	if header := r.Header.Get("Authorization"); header != "" {
		request["clientAuthorization"] = header
	}
	var answer answer
	if s.api.call(w, path, request, &answer) {
		answer.write(w)
	}
}

// introspect answers resource servers (RFC 7662). Portcullis does not know them: who
// may ask is decided here, before anything is said about a token.
func (s *authorizationServer) introspect(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	id, idErr := url.QueryUnescape(id) // RFC 6749 §2.3.1
	secret, secretErr := url.QueryUnescape(secret)
	if !ok || idErr != nil || secretErr != nil || !equal(id, s.resourceID) || !equal(secret, s.resourceSecret) {
		w.Header().Set("WWW-Authenticate", `Basic realm="introspection"`)
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "too long", http.StatusRequestEntityTooLarge)
		return
	}
	var answer answer
	if s.api.call(w, "/auth/introspection/standard", map[string]any{"parameters": string(body)}, &answer) {
		answer.write(w)
	}
}

// equal compares secrets in a time that does not tell where they differ.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that has gone needs no answer
}

func (a *authorizationAnswer) clientName() string {
	return cmp.Or(a.Client.ClientName, a.Client.ClientIDAlias, a.Client.ClientID.String())
}

func (a *authorizationAnswer) scopeNames() string {
	var names []string
	for _, scope := range a.Scopes {
		names = append(names, scope.Name)
	}
	return strings.Join(names, ", ")
}

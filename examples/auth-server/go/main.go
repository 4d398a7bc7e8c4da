// Command auth-server hands Ably tokens to the users of an application. What it
// answers and why stands in ../README.md.
package main

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"portcullis/engine"
)

// capabilities is what each user may do. It is looked up by the user that the
// session names, never by anything that the request says.
var capabilities = map[string]string{
	"ana": `{"chat:*":["publish","subscribe"],"inbox:ana":["subscribe"]}`,
	"ben": `{"chat:*":["subscribe"]}`,
}

const tokenLife = time.Hour

type authServer struct {
	signer        *engine.Signer
	portcullis    string // base URL
	origin        string // of the application's own pages
	password      string // of every user of this example
	sessionLife   time.Duration
	sessionSecret [32]byte
}

func main() {
	signer, err := engine.NewSigner(engine.Secret(os.Getenv("ABLY_API_KEY")))
	if err != nil {
		log.Fatal("ABLY_API_KEY: ", err)
	}
	s := &authServer{signer: signer, portcullis: os.Getenv("PORTCULLIS_URL"), password: os.Getenv("DEMO_PASSWORD")}
	if s.portcullis == "" || s.password == "" {
		log.Fatal("PORTCULLIS_URL and DEMO_PASSWORD must be set")
	}
	seconds, err := strconv.Atoi(cmp.Or(os.Getenv("SESSION_SECONDS"), "28800"))
	if err != nil {
		log.Fatal("SESSION_SECONDS must be a number")
	}
	s.sessionLife = time.Duration(seconds) * time.Second
	rand.Read(s.sessionSecret[:]) // so sessions end with the process
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:9100"))
	if err != nil {
		log.Fatal(err)
	}
	s.origin = cmp.Or(os.Getenv("APP_ORIGIN"), "http://"+listener.Addr().String())
	http.HandleFunc("POST /login", s.login)
	s.answers("/auth/token-request", "application/json", s.tokenRequest)
	s.answers("/auth/token-details", "application/json", s.tokenDetails)
	s.answers("/auth/token", "text/plain", s.token)
	s.answers("/auth/jwt", "application/jwt", s.jwt)
	log.Printf("listening on http://%s", listener.Addr())
	log.Fatal((&http.Server{ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}).Serve(listener))
}

// login opens a session. Put the application's own way of telling users here.
func (s *authServer) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	user := r.PostFormValue("user")
	right := subtle.ConstantTimeCompare([]byte(r.PostFormValue("password")), []byte(s.password)) == 1
	if _, known := capabilities[user]; !right || !known {
		refuse(w, http.StatusUnauthorized, 40100, "wrong user or password")
		return
	}
	claim := user + "." + strconv.FormatInt(time.Now().Add(s.sessionLife).Unix(), 10)
	http.SetCookie(w, &http.Cookie{
		Name: "session", Value: claim + "." + s.mac(claim), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: strings.HasPrefix(s.origin, "https:"), MaxAge: int(s.sessionLife.Seconds()),
	})
	write(w, http.StatusNoContent, "", nil)
}

func (s *authServer) mac(claim string) string {
	m := hmac.New(sha256.New, s.sessionSecret[:])
	m.Write([]byte(claim))
	return hex.EncodeToString(m.Sum(nil))
}

// user returns whose session a request belongs to.
func (s *authServer) user(r *http.Request) (string, bool) {
	cookie, err := r.Cookie("session")
	if err != nil {
		return "", false
	}
	dot := strings.LastIndexByte(cookie.Value, '.')
	if dot < 0 || !hmac.Equal([]byte(cookie.Value[dot+1:]), []byte(s.mac(cookie.Value[:dot]))) {
		return "", false
	}
	user, expires, _ := strings.Cut(cookie.Value[:dot], ".")
	seconds, err := strconv.ParseInt(expires, 10, 64)
	return user, err == nil && time.Now().Unix() < seconds
}

// answers serves what make makes to the user of the session, and to pages of the
// application's own origin only. Of the request it reads nothing else: authParams
// and the SDK's tokenParams are what the client wishes, not what it may have.
func (s *authServer) answers(path, contentType string, make func(user string) ([]byte, error)) {
	handle := func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" && origin != s.origin {
			refuse(w, http.StatusForbidden, 40300, "this page may not have tokens")
			return
		}
		user, ok := s.user(r)
		if !ok {
			refuse(w, http.StatusUnauthorized, 40100, "log in first")
			return
		}
		text, err := make(user)
		if err != nil {
			log.Print("no token: ", err)
			refuse(w, http.StatusBadGateway, 50000, "no token at present")
			return
		}
		write(w, http.StatusOK, contentType, text)
	}
	http.HandleFunc("GET "+path, handle)
	http.HandleFunc("POST "+path, handle)
}

func (s *authServer) tokenRequest(user string) ([]byte, error) {
	return s.signer.AppendTokenRequest(nil, &engine.TokenRequestParams{
		Timestamp: engine.Now(), TTL: tokenLife, ClientID: user, Capability: capabilities[user],
	})
}

// tokenDetails has a TokenRequest redeemed here, so that the client need not.
func (s *authServer) tokenDetails(user string) ([]byte, error) {
	request, err := s.tokenRequest(user)
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Post(s.portcullis+"/keys/"+s.signer.KeyName()+"/requestToken", "application/json", bytes.NewReader(request))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		return nil, errors.New("requestToken answered " + answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, 64<<10))
}

func (s *authServer) token(user string) ([]byte, error) {
	var details struct{ Token string }
	text, err := s.tokenDetails(user)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(text, &details)
	return []byte(details.Token), err
}

func (s *authServer) jwt(user string) ([]byte, error) {
	return s.signer.AppendJWT(nil, &engine.TokenParams{
		Issued: engine.Now(), TTL: tokenLife, ClientID: user, Capability: capabilities[user],
	})
}

// refuse answers in Ably's form, which SDKs read when the type is exactly this.
func refuse(w http.ResponseWriter, status, code int, message string) {
	body, _ := json.Marshal(map[string]any{"error": map[string]any{"code": code, "statusCode": status, "message": message}})
	write(w, status, "application/json", body)
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	if contentType != "" {
		w.Header().Set("Content-Type", contentType)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if len(body) > 0 {
		_, _ = w.Write(body) // a client that has gone needs no answer
	}
}

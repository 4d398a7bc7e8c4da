// Command embed admits connections in a plain net/http handler, with the
// packages engine, capability and admission alone.
//
//	APP_KEY=app.key:a-secret-of-16-bytes-or-more go run . -listen 127.0.0.1:9000
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "address to listen on")
	flag.Parse()
	handler, err := newHandler(engine.Secret(os.Getenv("APP_KEY")))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on http://%s", *listen)
	server := &http.Server{Addr: *listen, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// gate admits requests.
type gate struct {
	verifier *engine.Verifier
	grants   sync.Pool // of *engine.Grant: one that is used again allocates nothing
}

func newHandler(key engine.Secret) (http.Handler, error) {
	name, secret, ok := strings.Cut(string(key), ":")
	if !ok {
		return nil, errors.New("APP_KEY must be an API key, appId.keyId:secret")
	}
	v, err := engine.NewVerifier(engine.Options{
		Keys:       []engine.Key{{Name: name, Secret: engine.Secret(secret)}},
		CacheBytes: 64 << 20,
	})
	if err != nil {
		return nil, err
	}
	g := &gate{verifier: v, grants: sync.Pool{New: func() any { return new(engine.Grant) }}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /subscribe/{channel}", g.admitting(capability.Subscribe, welcome))
	mux.HandleFunc("POST /publish/{channel}", g.admitting(capability.Publish, welcome))
	return mux, nil
}

// admitting lets a request through to next when its token allows op on the
// channel in the path, and answers as Ably does when it does not.
func (g *gate) admitting(op capability.Op, next func(http.ResponseWriter, *http.Request, engine.Identity)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		grant := g.grants.Get().(*engine.Grant)
		defer g.grants.Put(grant)
		identity, err := g.admit(grant, r, op)
		if err != nil {
			refuse(w, err)
			return
		}
		next(w, r, identity)
	}
}

func (g *gate) admit(grant *engine.Grant, r *http.Request, op capability.Op) (engine.Identity, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return engine.Identity{}, engine.ErrNoCredentials
	}
	if err := g.verifier.VerifyToken(grant, []byte(token), engine.Now()); err != nil {
		return engine.Identity{}, err
	}
	peer := admission.Peer{ClientID: []byte(r.URL.Query().Get("clientId")), Origin: []byte(r.Header.Get("Origin"))}
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		peer.IP = from.Addr()
	}
	var s admission.Session
	if err := admission.Admit(&s, grant, peer); err != nil {
		return engine.Identity{}, err
	}
	return s.Identity(), s.Authorize([]byte(r.PathValue("channel")), op)
}

func welcome(w http.ResponseWriter, r *http.Request, identity engine.Identity) {
	fmt.Fprintf(w, "welcome to %s, %s %s\n", r.PathValue("channel"), identity.Kind, identity.ID)
}

func refuse(w http.ResponseWriter, err error) {
	var info *engine.ErrorInfo
	if !errors.As(err, &info) {
		info = engine.ErrInternal
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(info.StatusCode)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"code": info.Code, "statusCode": info.StatusCode, "message": info.Message,
	}})
}

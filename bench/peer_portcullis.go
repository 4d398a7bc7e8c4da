package bench

import "portcullis/engine"

const portcullisName = "portcullis"

func init() { registerPeer(Peer{Name: portcullisName, New: newPortcullis}) }

// newPortcullis configures Portcullis without its cache. The clock is read for
// every token, as the peers do.
func newPortcullis(keys map[string]string) (Verify, error) {
	var o engine.Options
	for name, secret := range keys {
		o.Keys = append(o.Keys, engine.Key{Name: name, Secret: engine.Secret(secret)})
	}
	v, err := engine.NewVerifier(o)
	if err != nil {
		return nil, err
	}
	var g engine.Grant
	return func(token *Token) error { return v.VerifyToken(&g, token.Bytes, engine.Now()) }, nil
}

package bench

import (
	"errors"

	"github.com/golang-jwt/jwt/v5"
)

const golangJWTName = "golang-jwt"

func init() { registerPeer(Peer{Name: golangJWTName, New: newGolangJWT}) }

// ablyClaims are the claims as golang-jwt's documentation advises to declare
// them: a struct of one's own that embeds the registered ones.
type ablyClaims struct {
	Capability string `json:"x-ably-capability"`
	ClientID   string `json:"x-ably-clientId"`
	jwt.RegisteredClaims
}

// newGolangJWT configures golang-jwt as its documentation advises: one parser
// that names the valid methods, and a Keyfunc that finds the key by kid.
func newGolangJWT(keys map[string]string) (Verify, error) {
	secrets := make(map[string][]byte, len(keys))
	for name, secret := range keys {
		secrets[name] = []byte(secret)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}))
	keyfunc := func(token *jwt.Token) (any, error) {
		kid, _ := token.Header["kid"].(string)
		secret, ok := secrets[kid]
		if !ok {
			return nil, errors.New("unknown kid")
		}
		return secret, nil
	}
	return func(token *Token) error {
		_, err := parser.ParseWithClaims(token.Text, &ablyClaims{}, keyfunc)
		return err
	}, nil
}

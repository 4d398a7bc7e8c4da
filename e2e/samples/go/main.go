// Command go mints an Ably JWT with the standard library alone: crypto/hmac and
// base64.RawURLEncoding.
//
//	MINT_SECRET=... mint KEY_NAME CLIENT_ID CAPABILITY IAT EXP
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"os"
)

func main() {
	if len(os.Args) != 6 {
		log.Fatal("usage: mint KEY_NAME CLIENT_ID CAPABILITY IAT EXP")
	}
	header := map[string]string{"typ": "JWT", "alg": "HS256", "kid": os.Args[1]}
	claims := map[string]any{
		"x-ably-clientId":   os.Args[2],
		"x-ably-capability": os.Args[3],
		"iat":               json.Number(os.Args[4]),
		"exp":               json.Number(os.Args[5]),
	}
	input := segment(header) + "." + segment(claims)
	mac := hmac.New(sha256.New, []byte(os.Getenv("MINT_SECRET")))
	mac.Write([]byte(input))
	fmt.Println(input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

func segment(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

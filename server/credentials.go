package server

import (
	"bytes"
	"encoding/base64"

	"github.com/valyala/fasthttp"

	"portcullis/engine"
)

// credential is what a request presents, a view of the request or of a buffer.
type credential struct {
	text  []byte
	isKey bool // an API key; otherwise a token
}

// findCredential returns the credential that decides: the first present of the
// Authorization header, access_token (or accessToken), and key. Its failure is
// final; the others are never tried. buffer is where base64 is decoded to.
func findCredential(ctx *fasthttp.RequestCtx, buffer *[]byte) (credential, error) {
	token, hasToken, err := oneOf(ctx, "access_token", "accessToken")
	if err != nil {
		return credential{}, err
	}
	key, hasKey, err := oneOf(ctx, "key")
	if err != nil {
		return credential{}, err
	}
	if header := ctx.Request.Header.Peek(fasthttp.HeaderAuthorization); len(header) > 0 {
		return fromHeader(header, buffer)
	}
	switch {
	case hasToken:
		return credential{text: token}, nil
	case hasKey:
		return credential{text: key, isKey: true}, nil
	}
	return credential{}, engine.ErrNoCredentials
}

// oneOf returns the query parameter that goes by any of the names. A name given
// twice, or two names with different values, are ambiguous.
func oneOf(ctx *fasthttp.RequestCtx, names ...string) (value []byte, present bool, err error) {
	var seen [2]bool
	for have, v := range ctx.QueryArgs().All() {
		for i, name := range names {
			if string(have) != name {
				continue
			}
			if seen[i] || present && !bytes.Equal(value, v) {
				return nil, false, engine.ErrAmbiguous
			}
			seen[i], value, present = true, v, true
		}
	}
	return value, present, nil
}

// fromHeader reads an Authorization header (RSA11, RSA3b).
func fromHeader(header []byte, buffer *[]byte) (credential, error) {
	scheme, text, _ := bytes.Cut(header, []byte{' '})
	text = bytes.TrimLeft(text, " ")
	switch {
	case bytes.EqualFold(scheme, []byte("basic")):
		key, ok := decodeBase64(buffer, text)
		if !ok {
			return credential{}, engine.ErrMalformedKey
		}
		return credential{text: key, isKey: true}, nil
	case bytes.EqualFold(scheme, []byte("bearer")):
		token, err := bearer(buffer, text)
		return credential{text: token}, err
	}
	return credential{}, engine.ErrAuthorization
}

// bearer returns the token of a Bearer credential, which SDKs send in base64 and
// everybody else as it is. Every kind of token holds a dot, and no alphabet of
// base64 does, so one look tells which.
func bearer(buffer *[]byte, text []byte) ([]byte, error) {
	if bytes.IndexByte(text, '.') >= 0 {
		return text, nil
	}
	if base64.StdEncoding.DecodedLen(len(text)) > engine.MaxTokenBytes+3 {
		return nil, engine.ErrTokenTooLong
	}
	token, ok := decodeBase64(buffer, text)
	if !ok || bytes.IndexByte(token, '.') < 0 || bytes.ContainsFunc(token, notPrintable) {
		return nil, engine.ErrMalformedToken
	}
	return token, nil
}

func notPrintable(r rune) bool { return r <= ' ' || r >= 0x7f }

// decodeBase64 decodes the base64 of a transport, in either alphabet, padded or
// not. What is inside has one spelling; the wrapping need not.
func decodeBase64(buffer *[]byte, text []byte) ([]byte, bool) {
	if len(text) > maxHeaderBytes {
		return nil, false
	}
	encoded := append((*buffer)[:0], text...)
	for i, c := range encoded {
		switch c {
		case '-':
			encoded[i] = '+'
		case '_':
			encoded[i] = '/'
		case '\r', '\n':
			return nil, false // the standard library would skip them
		}
	}
	*buffer = encoded
	encoded = bytes.TrimSuffix(bytes.TrimSuffix(encoded, []byte{'='}), []byte{'='})
	n, err := base64.RawStdEncoding.Decode(encoded, encoded)
	return encoded[:n], err == nil
}

// findClientID returns the clientId that a request asks for, empty for none
// (RSA7e).
func findClientID(ctx *fasthttp.RequestCtx, buffer *[]byte) ([]byte, error) {
	asked, present, err := oneOf(ctx, "clientId")
	if err != nil {
		return nil, err
	}
	header := ctx.Request.Header.Peek(headerClientID)
	if len(header) == 0 {
		return asked, nil
	}
	decoded, ok := decodeBase64(buffer, header)
	switch {
	case !ok:
		return nil, engine.ErrClientIDHeader
	case present && !bytes.Equal(asked, decoded):
		return nil, engine.ErrAmbiguous
	}
	return decoded, nil
}

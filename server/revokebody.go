package server

import (
	"strconv"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/engine"
	"portcullis/internal/jsonscan"
)

// revocationRequest is the body of POST /keys/{keyName}/revokeTokens.
type revocationRequest struct {
	targets         []string
	issuedBefore    engine.UnixMilli
	hasIssuedBefore bool
	margin          bool // allowReauthMargin
}

// readRevocation reads the body, JSON or msgpack, strictly: what is misspelt or
// repeated must not leave a token unrevoked.
func readRevocation(ctx *fasthttp.RequestCtx) (*revocationRequest, error) {
	r := new(revocationRequest)
	read := r.readJSON
	if isMediaType(ctx.Request.Header.ContentType(), "application/x-msgpack") {
		read = r.readMsgpack
	}
	if err := read(ctx.Request.Body()); err != nil {
		return nil, err
	}
	if len(r.targets) == 0 || len(r.targets) > maxRevocationTargets {
		return nil, engine.ErrBody.WithDetail("want 1 to " + strconv.Itoa(maxRevocationTargets) + " targets")
	}
	return r, nil
}

var errRevocation = engine.ErrBody.WithDetail("want an object of targets, issuedBefore (milliseconds) and allowReauthMargin")

func (r *revocationRequest) readJSON(body []byte) error {
	var s jsonscan.Scanner
	for s.Reset(body, maxRequestFields); s.Next(); {
		v := s.Value()
		switch name := string(s.Name()); {
		case v.Kind == jsonscan.Null && (name == "issuedBefore" || name == "allowReauthMargin"):
		case name == "targets" && v.Kind == jsonscan.Array:
			elements := jsonscan.In(v)
			for e, ok := elements.Next(); ok; e, ok = elements.Next() {
				if e.Kind != jsonscan.String || len(r.targets) > maxRevocationTargets {
					return errRevocation
				}
				r.targets = append(r.targets, string(e.Unescaped()))
			}
		case name == "issuedBefore" && v.Kind == jsonscan.Number:
			if err := r.readIssuedBefore(v.Text); err != nil {
				return err
			}
		case name == "allowReauthMargin" && (v.Kind == jsonscan.True || v.Kind == jsonscan.False):
			r.margin = v.Kind == jsonscan.True
		default:
			return errRevocation
		}
	}
	if s.Err() != nil {
		return errRevocation
	}
	return nil
}

func (r *revocationRequest) readMsgpack(body []byte) error {
	rest, err := readMap(body, maxRequestFields, func(name string, value []byte) (rest []byte, err error) {
		switch kind := msgp.NextType(value); {
		case kind == msgp.NilType && (name == "issuedBefore" || name == "allowReauthMargin"):
			rest, err = msgp.ReadNilBytes(value)
		case name == "targets" && kind == msgp.ArrayType:
			rest, err = r.readTargets(value)
		case name == "issuedBefore" && isNumber(kind):
			var text []byte
			if text, rest, err = readDecimal(value); err != nil {
				return nil, engine.ErrIssuedBefore
			}
			err = r.readIssuedBefore(text)
		case name == "allowReauthMargin" && kind == msgp.BoolType:
			r.margin, rest, err = msgp.ReadBoolBytes(value)
		default:
			err = errMsgpack
		}
		return rest, err
	})
	switch {
	case err == engine.ErrIssuedBefore:
		return err
	case err != nil || len(rest) > 0:
		return errRevocation
	}
	return nil
}

// readIssuedBefore reads a number that is spelt as an integer.
func (r *revocationRequest) readIssuedBefore(text []byte) error {
	ms, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || ms < -maxInteger || ms > maxInteger {
		return engine.ErrIssuedBefore
	}
	r.issuedBefore, r.hasIssuedBefore = engine.UnixMilli(ms), true
	return nil
}

func (r *revocationRequest) readTargets(body []byte) (rest []byte, err error) {
	size, rest, err := msgp.ReadArrayHeaderBytes(body)
	if err != nil || size > maxRevocationTargets {
		return nil, errRevocation
	}
	for range size {
		var target string
		if target, rest, err = msgp.ReadStringBytes(rest); err != nil || !utf8.ValidString(target) {
			return nil, errRevocation
		}
		r.targets = append(r.targets, target)
	}
	return rest, nil
}

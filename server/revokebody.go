package server

import (
	"strconv"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/engine"
	"portcullis/internal/jsonscan"
	"portcullis/internal/msgpackscan"
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
	var s msgpackscan.Scanner
	for s.Reset(body, maxRequestFields); s.Next(); {
		v := s.Value()
		switch name, kind := string(s.Name()), msgp.NextType(v); {
		case kind == msgp.NilType && (name == "issuedBefore" || name == "allowReauthMargin"):
		case name == "targets" && kind == msgp.ArrayType:
			if err := r.readTargets(v); err != nil {
				return err
			}
		case name == "issuedBefore" && isNumber(kind):
			text, err := readDecimal(v)
			if err == nil {
				err = r.readIssuedBefore(text)
			}
			if err != nil {
				return engine.ErrIssuedBefore
			}
		case name == "allowReauthMargin" && kind == msgp.BoolType:
			r.margin, _, _ = msgp.ReadBoolBytes(v) // its type has been looked at
		default:
			return errRevocation
		}
	}
	if s.Err() != nil {
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

func (r *revocationRequest) readTargets(value []byte) error {
	var e msgpackscan.Elements
	e.Reset(value)
	for v, ok := e.Next(); ok; v, ok = e.Next() {
		target, _, err := msgp.ReadStringBytes(v)
		if err != nil || !utf8.ValidString(target) || len(r.targets) == maxRevocationTargets {
			return errRevocation
		}
		r.targets = append(r.targets, target)
	}
	if e.Err() != nil {
		return errRevocation
	}
	return nil
}

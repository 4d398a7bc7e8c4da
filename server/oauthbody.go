package server

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"portcullis/internal/jsonscan"
	"portcullis/oauth"
)

// memberKind is what a member of a call may be.
type memberKind uint8

const (
	memberText       memberKind = iota
	memberTexts                 // an array of strings; in a form, separated by spaces
	memberProperties            // an array of objects, or the text of one; not in a form
	memberClaims                // the text of an object
	memberNumber
	memberFlag // true or false, or the text of one
	memberVoid // accepted, and of no consequence without others that are not served
)

// members are those of a call, as far as they say anything.
type members struct {
	texts      map[string]string
	lists      map[string][]string
	properties []oauth.Property
	claims     []oauth.Claim
	numbers    map[string]int64
	flags      map[string]bool
}

// maxCallMembers bounds the names in a call, those in its objects included.
const maxCallMembers = 512

var errCallBody = &oauth.RequestError{Result: oauth.ResultBody}

// readMembers reads the body of a call, JSON or form. What is null, false, 0 or empty
// says nothing, whatever its name: some libraries send every member there is. What
// does say something and is not among the known ones is refused.
func readMembers(ctx *fasthttp.RequestCtx, known map[string]memberKind) (*members, error) {
	m := &members{texts: map[string]string{}, lists: map[string][]string{}, numbers: map[string]int64{}, flags: map[string]bool{}}
	contentType := ctx.Request.Header.ContentType()
	switch {
	case isMediaType(contentType, "application/json"):
		return m, m.readJSON(ctx.Request.Body(), known)
	case isMediaType(contentType, "application/x-www-form-urlencoded"):
		return m, m.readForm(ctx, known)
	}
	return nil, &oauth.RequestError{Result: oauth.ResultBody, Detail: "want application/json or application/x-www-form-urlencoded"}
}

func (m *members) readJSON(body []byte, known map[string]memberKind) error {
	var s jsonscan.Scanner
	for s.Reset(body, maxCallMembers); s.Next(); {
		v := s.Value()
		if saysNothing(v) {
			continue
		}
		name := string(s.Name())
		kind, ok := known[name]
		if !ok {
			return unserved(name)
		}
		if v.Duplicate || !m.set(name, kind, v) {
			return &oauth.RequestError{Result: oauth.ResultMember, Detail: name}
		}
	}
	if s.Err() != nil {
		return errCallBody
	}
	return nil
}

func saysNothing(v jsonscan.Value) bool {
	switch v.Kind {
	case jsonscan.Null, jsonscan.False:
		return true
	case jsonscan.String:
		return len(v.Text) == 0
	case jsonscan.Number:
		return string(v.Text) == "0"
	case jsonscan.Array, jsonscan.Object:
		return len(bytes.TrimSpace(v.Text[1:len(v.Text)-1])) == 0
	}
	return false
}

// unserved refuses a member. Its name is told only where it is one of the API.
func unserved(name string) error {
	if strings.Contains(unservedMembers, " "+name+" ") {
		return &oauth.RequestError{Result: oauth.ResultUnserved, Detail: name}
	}
	return &oauth.RequestError{Result: oauth.ResultUnserved, Detail: "an unknown name"}
}

// unservedMembers are members of Authlete's API that are not served here.
const unservedMembers = " clientCertificate clientCertificatePath dpop dpopNonceRequired accessToken accessTokenDuration refreshTokenDuration " +
	"oauthClientAttestation oauthClientAttestationPop resources acrValues maxAge requiredComponents uri message headers targetUri requestBodyContained " +
	"claims sub idtHeaderParams claimsForTx consentedClaims authorizationDetails sessionId idTokenAudType verifiedClaimsForTx context cimdOptions " +
	"rsUri httpAcceptHeader introspectionSignAlg introspectionEncryptionAlg introspectionEncryptionEnc sharedKeyForSign sharedKeyForEncryption publicKeyForEncryption "

// set puts a member where it belongs, and says whether it has a right value.
func (m *members) set(name string, kind memberKind, v jsonscan.Value) bool {
	text := v.Kind == jsonscan.String
	switch kind {
	case memberVoid:
		return true
	case memberText:
		m.texts[name] = string(v.Unescaped())
		return text
	case memberTexts:
		list, ok := readTexts(v)
		m.lists[name] = list
		return ok
	case memberNumber:
		n, err := strconv.ParseInt(string(v.Text), 10, 64)
		m.numbers[name] = n
		return v.Kind == jsonscan.Number && err == nil
	case memberFlag:
		m.flags[name] = v.Kind == jsonscan.True || text && string(v.Text) == "true"
		return v.Kind == jsonscan.True || text && (string(v.Text) == "true" || string(v.Text) == "false")
	case memberClaims:
		return text && m.readClaims(v.Unescaped())
	case memberProperties:
		if text {
			return m.readProperties(v.Unescaped())
		}
		return v.Kind == jsonscan.Array && m.readProperties(v.Text)
	}
	return false
}

func readTexts(v jsonscan.Value) (list []string, ok bool) {
	if v.Kind != jsonscan.Array {
		return nil, false
	}
	elements := jsonscan.In(v)
	for e, more := elements.Next(); more; e, more = elements.Next() {
		if e.Kind != jsonscan.String || len(list) == maxCallMembers {
			return nil, false
		}
		list = append(list, string(e.Unescaped()))
	}
	return list, true
}

func (m *members) readProperties(text []byte) bool {
	elements := jsonscan.ReadArray(text)
	for e, more := elements.Next(); more; e, more = elements.Next() {
		if e.Kind != jsonscan.Object || len(m.properties) == maxCallMembers {
			return false
		}
		var p oauth.Property
		var s jsonscan.Scanner
		for s.Reset(e.Text, 0); s.Next(); {
			switch v := s.Value(); {
			case v.Kind == jsonscan.Null:
			case string(s.Name()) == "key" && v.Kind == jsonscan.String:
				p.Key = string(v.Unescaped())
			case string(s.Name()) == "value" && v.Kind == jsonscan.String:
				p.Value = string(v.Unescaped())
			case string(s.Name()) == "hidden" && (v.Kind == jsonscan.True || v.Kind == jsonscan.False):
				p.Hidden = v.Kind == jsonscan.True
			default:
				return false
			}
		}
		if s.Err() != nil {
			return false
		}
		m.properties = append(m.properties, p)
	}
	return elements.Err() == nil
}

func (m *members) readClaims(text []byte) bool {
	var s jsonscan.Scanner
	for s.Reset(text, maxCallMembers); s.Next(); {
		if s.Value().Duplicate {
			return false
		}
		value := string(s.Value().Text)
		if s.Value().Kind == jsonscan.String {
			value = `"` + value + `"`
		}
		m.claims = append(m.claims, oauth.Claim{Name: string(s.Name()), JSON: value})
	}
	return s.Err() == nil
}

// readForm reads a form, which has the same names.
func (m *members) readForm(ctx *fasthttp.RequestCtx, known map[string]memberKind) error {
	seen := map[string]bool{}
	for n, v := range ctx.PostArgs().All() {
		name, value := string(n), string(v)
		if seen[name] || !utf8.ValidString(value) || len(seen) == maxCallMembers {
			return errCallBody
		}
		seen[name] = true
		if value == "" {
			continue
		}
		kind, ok := known[name]
		if !ok {
			return unserved(name)
		}
		switch kind {
		case memberText:
			m.texts[name] = value
		case memberTexts:
			m.lists[name] = strings.Fields(value)
		case memberFlag:
			m.flags[name] = value == "true"
		case memberNumber:
			m.numbers[name], _ = strconv.ParseInt(value, 10, 64)
		case memberClaims:
			if !m.readClaims([]byte(value)) {
				return &oauth.RequestError{Result: oauth.ResultMember, Detail: name}
			}
		case memberProperties:
			return &oauth.RequestError{Result: oauth.ResultMember, Detail: "properties: only in JSON"}
		case memberVoid:
		}
	}
	return nil
}

package oauth

import (
	"strings"

	"github.com/segmentio/encoding/json"
)

// Action says what the authorization server, or the resource server, does next.
type Action string

// The actions.
const (
	OK                  Action = "OK"
	Interaction         Action = "INTERACTION"
	NoInteraction       Action = "NO_INTERACTION"
	Location            Action = "LOCATION"
	BadRequest          Action = "BAD_REQUEST"
	InvalidClient       Action = "INVALID_CLIENT"
	Unauthorized        Action = "UNAUTHORIZED"
	Forbidden           Action = "FORBIDDEN"
	InternalServerError Action = "INTERNAL_SERVER_ERROR"
)

// Result is what a call can come to. Codes that begin with A are Authlete's, and
// mean here what they mean there; the others are this program's own. Of all of them
// the third digit from the right says whose fault it is: 0 nobody's, 1 the engine's,
// 2 the calling server's, 3 the client's.
type Result struct {
	Code   string
	Text   string
	Action Action // "" for a call that is refused before it is looked at
	Status int    // HTTP status of such a refusal
	Err    string // the error code of RFC 6749 §5.2 and §4.1.2.1, RFC 6750 §3.1; "" when there is none
}

// Message is the resultMessage.
func (r *Result) Message() string { return "[" + r.Code + "] " + r.Text }

// errorURI is where Authlete explains one of its codes.
func (r *Result) errorURI() string {
	if strings.HasPrefix(r.Code, "A") {
		return "https://docs.authlete.com/#" + r.Code
	}
	return ""
}

// body is the JSON of an OAuth error (RFC 6749 §5.2).
func (r *Result) body() string {
	text, _ := json.Marshal(struct {
		Description string `json:"error_description"`
		Error       string `json:"error"`
		URI         string `json:"error_uri,omitempty"`
	}{r.Message(), r.Err, r.errorURI()}) // of strings: it cannot fail
	return string(text)
}

// challenge is the value of a WWW-Authenticate header (RFC 6750 §3). Nothing in a
// table holds a quote.
func (r *Result) challenge() string {
	text := `Bearer error="` + r.Err + `",error_description="` + r.Message() + `"`
	if uri := r.errorURI(); uri != "" {
		text += `,error_uri="` + uri + `"`
	}
	return text
}

// RequestError is why a call is refused before it is looked at: it is not the
// client's request that is wrong.
type RequestError struct {
	*Result
	Detail string // which member, or what is wrong with it; nothing of its value
}

// Error returns the resultMessage.
func (e *RequestError) Error() string {
	if e.Detail == "" {
		return e.Message()
	}
	return e.Message() + ": " + e.Detail
}

// Answer is what every answer has.
type Answer struct {
	Type            string `json:"type"`
	ResultCode      string `json:"resultCode"`
	ResultMessage   string `json:"resultMessage"`
	Action          Action `json:"action"`
	ResponseContent string `json:"responseContent,omitempty"`
}

// Result returns the code of what the call has come to.
func (a *Answer) Result() string { return a.ResultCode }

// The types of answers.
const (
	typeAuthorization         = "authorizationResponse"
	typeAuthorizationIssue    = "authorizationIssueResponse"
	typeAuthorizationFail     = "authorizationFailResponse"
	typeToken                 = "tokenResponse"
	typeIntrospection         = "introspectionResponse"
	typeStandardIntrospection = "standardIntrospectionResponse"
	typeRevocation            = "revocationResponse"
)

func (r *Result) answer(kind, content string) Answer {
	return Answer{Type: kind, ResultCode: r.Code, ResultMessage: r.Message(), Action: r.Action, ResponseContent: content}
}

package conformance

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
	"portcullis/internal/vectors"
)

// Surface is where a server is asked.
type Surface string

// The surfaces.
const (
	Ably  Surface = "ably"  // the REST endpoints that every Ably-compatible server has
	Admit Surface = "admit" // Portcullis' GET /v1/admit
)

// Why a vector is not sent.
const (
	fixedMoment = "moment"  // its answer depends on a moment that cannot be moved, or not for long enough
	notAskable  = "surface" // the surface has no endpoint for its operation, or no path for its channel
	tooLong     = "head"    // no head of a request holds it
)

const (
	// probeChannel is the channel whose status a vector without an operation asks for.
	probeChannel = "portcullis-fixtures"
	// maxCredential is the longest credential, as it travels, that fits the 16 KiB
	// that servers give the head of a request.
	maxCredential = 15 << 10
	// The moments, relative to the server's clock, between which an answer must not
	// change: clocks are read some time before they count.
	earliest, latest = -2000, 60_000 // ms
)

// Answer is what matters of a server's answer.
type Answer struct {
	Status int `json:"status"`
	Code   int `json:"code,omitempty"` // Ably's; 0 when the credential is admitted
}

// matches says whether a has the meaning of want. Which 2xx it is, is the endpoint's.
func (a Answer) matches(want Answer) bool {
	if want.Code == 0 {
		return a.Code == 0 && a.Status/100 == 2
	}
	return a == want
}

// question is one vector as it is put to a server.
type question struct {
	method, path string
	query        url.Values
	header       http.Header
	body         string
	want         Answer
}

// ask makes the question of a vector, or says why there is none.
func ask(v *vectors.Vector, judge *engine.Verifier, surface Surface, now int64) (q question, unsent string) {
	for _, at := range []int64{now + earliest, now, now + latest} {
		if got := verdict(v, judge, v.Channel, v.Op, at); !sameAnswer(got, &v.Want) {
			return q, fixedMoment
		}
	}
	q = question{method: http.MethodGet, query: url.Values{}, header: http.Header{}}
	if unsent := q.endpoint(v, surface); unsent != "" {
		return q, unsent
	}
	if !q.present(v) {
		return q, tooLong
	}
	if surface == Ably && v.ClientID != "" {
		q.header.Set("X-Ably-ClientId", base64.StdEncoding.EncodeToString([]byte(v.ClientID)))
	}
	switch {
	case !v.Want.Admitted:
		q.want = Answer{v.Want.Status, v.Want.Code}
	case v.Op != "" || surface == Admit:
		q.want = Answer{Status: http.StatusOK}
	default:
		// The credential is good; whether it may see the status is asked of it.
		q.want = answerTo(verdict(v, judge, probeChannel, "channel-metadata", now))
	}
	return q, ""
}

// endpoint says where a vector is asked.
func (q *question) endpoint(v *vectors.Vector, surface Surface) (unsent string) {
	if surface == Admit {
		q.path = "/v1/admit"
		for name, value := range map[string]string{"channel": v.Channel, "op": v.Op, "clientId": v.ClientID} {
			if value != "" {
				q.query.Set(name, value)
			}
		}
		if v.Op != "" {
			q.query.Set("channel", v.Channel) // also when it is empty, which is no channel
		}
		return ""
	}
	channel := probeChannel
	if v.Op != "" {
		if channel = v.Channel; strings.Trim(channel, ".") == "" {
			return notAskable // a path without the segment, or one that means another
		}
	}
	q.path = "/channels/" + url.PathEscape(channel)
	switch v.Op {
	case "", "channel-metadata":
	case "publish":
		q.method, q.path, q.body = http.MethodPost, q.path+"/messages", `{"name":"portcullis-fixtures"}`
		q.header.Set("Content-Type", "application/json")
	case "history":
		q.path += "/messages"
	case "subscribe":
		q.path += "/presence"
	default:
		return notAskable
	}
	return ""
}

// present puts the credential where it travels, and says whether it fits.
func (q *question) present(v *vectors.Vector) bool {
	switch {
	case v.Key != nil:
		text := base64.StdEncoding.EncodeToString(v.Key)
		q.header.Set("Authorization", "Basic "+text)
		return len(text) <= maxCredential
	case printable(v.Token):
		text := base64.StdEncoding.EncodeToString(v.Token)
		q.header.Set("Authorization", "Bearer "+text)
		return len(text) <= maxCredential
	}
	q.query.Set("access_token", string(v.Token))
	return len(url.QueryEscape(string(v.Token))) <= maxCredential
}

func printable(token []byte) bool {
	return len(token) > 0 && !bytes.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// verdict judges a vector, and the operation that is asked of it.
func verdict(v *vectors.Vector, judge *engine.Verifier, channel, op string, now int64) error {
	var g engine.Grant
	var s admission.Session
	var err error
	if v.Key != nil {
		err = judge.VerifyKey(&g, v.Key, engine.UnixMilli(now))
	} else {
		err = judge.VerifyToken(&g, v.Token, engine.UnixMilli(now))
	}
	if err == nil {
		err = admission.Admit(&s, &g, admission.Peer{ClientID: []byte(v.ClientID)})
	}
	if err == nil && op != "" {
		err = s.Authorize([]byte(channel), capability.ParseOp([]byte(op)))
	}
	return err
}

func answerTo(err error) Answer {
	var info *engine.ErrorInfo
	if errors.As(err, &info) {
		return Answer{info.StatusCode, info.Code}
	}
	return Answer{Status: http.StatusOK}
}

func sameAnswer(got error, want *vectors.Want) bool {
	if want.Admitted {
		return got == nil
	}
	return got != nil && answerTo(got) == Answer{want.Status, want.Code}
}

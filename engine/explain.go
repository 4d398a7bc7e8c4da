package engine

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"portcullis/capability"
	"portcullis/internal/base64url"
	"portcullis/internal/jsonscan"
	"portcullis/internal/nearest"
)

// Outcome is how a check went.
type Outcome uint8

// The outcomes.
const (
	NotReached Outcome = iota
	Passed
	Failed
)

// Check is one check of an explained verdict.
type Check struct {
	Step    Step
	Outcome Outcome
	Detail  string // what was looked at, for people; never a secret or a signature
}

// Explanation is a verdict with all its checks, in the order in which they were
// taken. It is for operators: it says more than a client should be told.
type Explanation struct {
	Checks []Check
	Err    *ErrorInfo // nil when the credential is good
	Grant  Grant      // what it grants then
}

// tokenSteps are the steps of verifying a JWT, sealedSteps those of an opaque
// token, keySteps those of an API key. Where another JWT carries the token,
// StepEmbedded comes before them and StepOuterExpiry after them.
var (
	tokenSteps = []Step{
		StepCredential, StepHeader, StepKey, StepSignature, StepKeyState, StepAblyHeader, StepClaims, StepTime,
		StepAblyClaims, StepTokenClientID, StepCapability, StepRevocation, StepIntersection,
	}
	sealedSteps = []Step{
		StepCredential, StepKey, StepSignature, StepKeyState, StepTime, StepCapability, StepRevocation, StepIntersection,
	}
	keySteps = []Step{StepCredential, StepKey, StepSignature, StepKeyState}
)

// shown are the steps whose detail says what the credential holds, and so belongs
// to a failure too. That of the others says what was found to be right.
var shown = map[Step]bool{
	StepCredential: true, StepHeader: true, StepKey: true, StepAblyHeader: true, StepClaims: true, StepTime: true,
	StepAblyClaims: true, StepIntersection: true, StepOuterExpiry: true,
}

// ExplainToken verifies a token as VerifyToken does, by the same steps, and says
// of each how it went. It neither asks nor fills the cache.
func (v *Verifier) ExplainToken(token []byte, now UnixMilli) *Explanation {
	x := new(Explanation)
	s := &scratch{step: StepCredential}
	var err error = ErrTokenTooLong
	if len(token) <= MaxTokenBytes {
		err = v.verifyFresh(&x.Grant, s, token, now, nil)
	}
	e := explainer{v: v, s: s, g: &x.Grant, token: x.Grant.Token(token), outer: token, now: now}
	steps, detail := tokenSteps, e.detail
	if bytes.Count(e.token, []byte{'.'}) == 1 {
		steps, detail = sealedSteps, e.sealedDetail
	}
	switch {
	case len(x.Grant.inner) > 0:
		steps = slices.Concat([]Step{StepEmbedded}, steps, []Step{StepOuterExpiry})
	case s.step == StepEmbedded:
		steps = []Step{StepEmbedded}
	}
	x.fill(steps, s.step, err, detail)
	return x
}

// ExplainKey is ExplainToken for an API key.
func (v *Verifier) ExplainKey(key []byte, now UnixMilli) *Explanation {
	x := new(Explanation)
	err := v.VerifyKey(&x.Grant, key, now)
	at := StepKeyState
	if info, ok := err.(*ErrorInfo); ok {
		at = info.step
	}
	name, _, _ := splitKey(key)
	x.fill(keySteps, at, err, func(step Step) string {
		switch step {
		case StepCredential:
			return fmt.Sprintf("API key, %d bytes", len(key))
		case StepKey:
			return quote(name)
		case StepSignature:
			return "the secret is the key's"
		}
		return x.Grant.key.State.String()
	})
	return x
}

// fill lists the steps: those before at have passed, and at is where err, if
// any, was found.
func (x *Explanation) fill(steps []Step, at Step, err error, detail func(Step) string) {
	failed := false
	for _, step := range steps {
		c := Check{Step: step}
		switch {
		case failed:
		case err != nil && step == at:
			x.Err = err.(*ErrorInfo)
			c.Outcome, failed = Failed, true
			c.Detail = x.Err.cause
			if shown[step] {
				if more := detail(step); more != "" {
					c.Detail += ": " + more
				}
			}
		default:
			c.Outcome, c.Detail = Passed, detail(step)
		}
		x.Checks = append(x.Checks, c)
	}
	if x.Err != nil {
		x.Grant.verified = verified{}
	}
}

// Add appends a check that another package has taken on the Grant, so that one
// list tells the whole admission. After a failed check further ones are not
// reached.
func (x *Explanation) Add(step Step, err *ErrorInfo, detail string) {
	c := Check{Step: step, Outcome: Passed, Detail: detail}
	switch {
	case x.Err != nil:
		c = Check{Step: step}
	case err != nil:
		x.Err = err
		c.Outcome, c.Detail = Failed, err.cause
		if detail != "" {
			c.Detail += ": " + detail
		}
	}
	x.Checks = append(x.Checks, c)
}

// explainer finds what to say about the steps of one token.
type explainer struct {
	v     *Verifier
	s     *scratch
	g     *Grant
	token []byte // the one that decides
	outer []byte // the one that carries it, or itself
	now   UnixMilli
}

// detail says what a step looked at. It is asked only for steps that were taken.
func (e *explainer) detail(step Step) string {
	switch step {
	case StepEmbedded:
		return fmt.Sprintf("another JWT of %d bytes carries it; that one's signature, capability and clientId count for nothing", len(e.outer))
	case StepOuterExpiry:
		if !e.s.carrier.ends {
			return "the outer JWT shows no exp"
		}
		return fmt.Sprintf("exp of the outer JWT %s; the earlier of both counts", distance(e.s.carrier.expires, e.now))
	case StepCredential:
		return fmt.Sprintf("%d segments, %d bytes", bytes.Count(e.token, []byte{'.'})+1, len(e.token))
	case StepHeader:
		return e.header()
	case StepKey:
		return "kid " + quote(e.kid())
	case StepSignature:
		return "HMAC-SHA256 over header and claims"
	case StepKeyState:
		if notAfter := e.g.key.NotAfter; notAfter != 0 {
			return fmt.Sprintf("%s, good until %s", e.g.key.State, notAfter.Time().Format(time.RFC3339))
		}
		return e.g.key.State.String()
	case StepAblyHeader:
		return e.ablyNames(0, knownHeaders)
	case StepClaims:
		return "names: " + strings.Join(e.names(1), ", ")
	case StepTime:
		return e.times()
	case StepAblyClaims:
		return e.ablyNames(1, knownClaims)
	case StepTokenClientID:
		if e.g.kind == Anonymous {
			return "none, the token is anonymous"
		}
		return fmt.Sprintf("%s %s", e.g.kind, quote(e.g.Identity().AppendClientID(nil)))
	case StepCapability:
		if e.g.claimed == nil {
			return "none claimed, so all that the key has"
		}
		return e.g.claimed.String()
	case StepRevocation:
		return "none applies"
	}
	if e.g.claimed == nil {
		return e.g.key.whole.text
	}
	return fmt.Sprintf("key has %s, in common: %s", e.g.key.whole.text, capability.Intersect(e.g.claimed, e.g.key.Capability))
}

// sealedDetail is detail for an opaque token, of which there is nothing to see
// but what opening it has shown.
func (e *explainer) sealedDetail(step Step) string {
	switch step {
	case StepCredential:
		if IsDeviceToken(e.token) {
			return fmt.Sprintf("device token, %d bytes, %s", len(e.token), e.device())
		}
		return fmt.Sprintf("opaque token, %d bytes", len(e.token))
	case StepKey:
		return quote(e.s.header)
	case StepSignature:
		return "sealed by this server"
	case StepTime:
		return fmt.Sprintf("issued %s, expires %s; no leeway", distance(e.g.issued, e.now), distance(e.g.expires, e.now))
	}
	return e.detail(step)
}

// device says what there is to know about a device token.
func (e *explainer) device() string {
	if !e.v.CanOpen() {
		return "which only a server with its sealing secret can read"
	}
	var d DeviceGrant
	if err := e.v.VerifyDeviceToken(&d, e.token, e.now); err != nil {
		return "which is refused as such too: " + err.(*ErrorInfo).cause
	}
	clientID := "no clientId"
	if id := d.Identity().ID; id != nil {
		clientID = "clientId " + quote(id)
	}
	return fmt.Sprintf("good as such: device %s, %s, expires %s", quote(d.DeviceID()), clientID, distance(d.Expires(), e.now))
}

// segment decodes the nth segment of the token, nil when it cannot.
func (e *explainer) segment(n int) []byte {
	segments := bytes.Split(e.token, []byte{'.'})
	if n >= len(segments) {
		return nil
	}
	// In any spelling: what it says is of interest also where that is refused.
	canonical, err := base64url.AppendCanonical(nil, segments[n])
	if err != nil {
		return nil
	}
	text, err := base64url.AppendDecode(nil, canonical)
	if err != nil {
		return nil
	}
	return text
}

// members calls f for every member of the nth segment, as far as it is JSON.
func (e *explainer) members(n int, f func(name []byte, v jsonscan.Value)) {
	var s jsonscan.Scanner
	s.Reset(e.segment(n), 0)
	for s.Next() {
		f(s.Name(), s.Value())
	}
}

func (e *explainer) names(n int) (names []string) {
	e.members(n, func(name []byte, _ jsonscan.Value) { names = append(names, quote(name)) })
	return names
}

func (e *explainer) header() string {
	var parts []string
	e.members(0, func(name []byte, v jsonscan.Value) {
		switch string(name) {
		case "alg", "typ", "kid":
			parts = append(parts, fmt.Sprintf("%s %s", name, quote(v.Text)))
		default:
			parts = append(parts, quote(name))
		}
	})
	return strings.Join(parts, ", ")
}

func (e *explainer) kid() (kid []byte) {
	e.members(0, func(name []byte, v jsonscan.Value) {
		if string(name) == "kid" {
			kid = jsonscan.AppendUnescaped(nil, v.Text)
		}
	})
	return kid
}

func (e *explainer) times() string {
	var parts []string
	e.members(1, func(name []byte, v jsonscan.Value) {
		switch string(name) {
		case "iat", "exp", "nbf":
			at, ok := date(v)
			if !ok {
				parts = append(parts, fmt.Sprintf("%s is %s", name, quote(v.Text)))
				return
			}
			part := fmt.Sprintf("%s %s", name, distance(at, e.now))
			if at > 100*e.now {
				part += " (milliseconds instead of seconds?)"
			}
			parts = append(parts, part)
		}
	})
	return strings.Join(parts, ", ") + fmt.Sprintf("; no leeway on exp, %s on iat and nbf", ClockSkew)
}

// distance says how far at is from now, as people do.
func distance(at, now UnixMilli) string {
	if at > now {
		return "in " + (at.Sub(now)).Round(time.Millisecond).String()
	}
	return now.Sub(at).Round(time.Millisecond).String() + " ago"
}

var (
	knownClaims  = []string{claimCapability, claimClientID, claimRevocationKey, claimClientType, claimEmbedded}
	knownHeaders = []string{claimEmbedded}
)

// ablyNames lists the names in a segment that Ably reserves; those that are not
// known with the nearest that is.
func (e *explainer) ablyNames(segment int, known []string) string {
	var parts []string
	e.members(segment, func(name []byte, _ jsonscan.Value) {
		switch {
		case !bytes.HasPrefix(name, ablyPrefix) && !bytes.HasPrefix(name, []byte("ably.")):
		case slices.Contains(known, string(name)) || !bytes.HasPrefix(name, ablyPrefix):
			parts = append(parts, quote(name))
		default:
			part := quote(name) + " is not known"
			if near := nearest.Name(string(name), known); near != "" {
				part += fmt.Sprintf(" (did you mean %s?)", near)
			}
			parts = append(parts, part)
		}
	})
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// maxQuoted bounds what is quoted of input.
const maxQuoted = 64

// quote makes input harmless to print.
func quote(text []byte) string {
	if len(text) > maxQuoted {
		return fmt.Sprintf("%q…", text[:maxQuoted])
	}
	return fmt.Sprintf("%q", text)
}

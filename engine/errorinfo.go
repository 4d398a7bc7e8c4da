package engine

import "time"

// ErrorInfo is why a credential or an operation is refused, in Ably's terms.
// Every ErrorInfo is a package-level value, or one with a detail: compare with
// errors.Is. None of them holds anything of the input.
type ErrorInfo struct {
	Code       int    // Ably's error code
	StatusCode int    // HTTP status
	Message    string // for the client

	reason Reason
	step   Step
	cause  string
	fix    string
	base   *ErrorInfo // what WithDetail or WithRetryAfter was called on

	retryAfter time.Duration
}

// WithDetail returns a copy whose message says more. It is for faults that cannot
// be told apart by a fixed message, such as which line of many is malformed; the
// detail must hold nothing of the input.
func (e *ErrorInfo) WithDetail(detail string) *ErrorInfo {
	c := *e
	c.Message += ": " + detail
	c.base = e.Base()
	return &c
}

// WithRetryAfter returns a copy that says when to try again.
func (e *ErrorInfo) WithRetryAfter(d time.Duration) *ErrorInfo {
	c := *e
	c.retryAfter = d
	c.base = e.Base()
	return &c
}

// RetryAfter returns when to try again, 0 when there is nothing to say.
func (e *ErrorInfo) RetryAfter() time.Duration { return e.retryAfter }

// Base returns the value of the table that e is, or was made from.
func (e *ErrorInfo) Base() *ErrorInfo {
	if e.base != nil {
		return e.base
	}
	return e
}

// Is makes errors.Is find the value of the table that e was made from.
func (e *ErrorInfo) Is(target error) bool { return e.Base() == target }

// Error returns the message for the client.
func (e *ErrorInfo) Error() string { return e.Message }

// Reason returns the finer reason, for operators: metrics, logs and explain.
func (e *ErrorInfo) Reason() Reason { return e.reason }

// Step returns the check that fails with this error; of one that several can
// fail with, one of them.
func (e *ErrorInfo) Step() Step { return e.step }

// Cause says for operators what has happened.
func (e *ErrorInfo) Cause() string { return e.cause }

// Fix says for operators what cures it.
func (e *ErrorInfo) Fix() string { return e.fix }

// Reason names one cause of refusal. The names are a contract: they are label
// values of metrics and keys of documentation.
type Reason string

// Step is one check of an admission. The steps are in the order in which they
// are taken.
type Step uint8

// The steps, of all kinds of credentials. StepRequest and StepPeer to
// StepOperation are taken by the server and by package admission.
const (
	StepRequest Step = iota
	StepEmbedded
	StepCredential
	StepHeader
	StepKey
	StepSignature
	StepKeyState
	StepAblyHeader
	StepClaims
	StepTime
	StepAblyClaims
	StepTokenClientID
	StepCapability
	StepRevocation
	StepIntersection
	StepOuterExpiry
	StepNonce
	StepPeer
	StepClientID
	StepChannel
	StepOperation
	StepService

	stepCount
)

var stepNames = [stepCount]string{
	"request", "embedded token", "credential", "header", "key", "signature", "key state", "ably header", "claims", "time", "ably claims",
	"token client id", "capability", "revocation", "intersection", "outer expiry", "nonce", "peer", "client id", "channel", "operation", "service",
}

// String returns the step's name.
func (s Step) String() string { return stepNames[s] }

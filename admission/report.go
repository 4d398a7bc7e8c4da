package admission

import (
	"portcullis/capability"
	"portcullis/engine"
)

// Report is an explanation as programs read it, the same on the command line and
// over HTTP.
type Report struct {
	Verdict
	Checks []ReportedCheck `json:"checks"`
	Rules  []ReportedRule  `json:"rules,omitempty"` // of the effective capability, when an operation was asked about
	Fix    string          `json:"fix,omitempty"`
}

// Verdict is a verdict as programs read it. Of a refusal it has the first half,
// of an admission the second.
type Verdict struct {
	Admitted   bool   `json:"admitted"`
	Code       int    `json:"code,omitempty"`
	StatusCode int    `json:"statusCode,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Message    string `json:"message,omitempty"`

	KeyName    string `json:"keyName,omitempty"`
	ClientID   string `json:"clientId,omitempty"` // "*" for any; left out when anonymous
	Capability string `json:"capability,omitempty"`
	Issued     int64  `json:"issued,omitempty"` // milliseconds; left out for an API key
	Expires    int64  `json:"expires,omitempty"`
}

// ReportedCheck is one check; its outcome is passed, failed or not reached.
type ReportedCheck struct {
	Step    string `json:"step"`
	Outcome string `json:"outcome"`
	Detail  string `json:"detail,omitempty"`
}

// ReportedRule is what one rule of the capability had to say.
type ReportedRule struct {
	Resource   string `json:"resource"`
	Operations string `json:"operations"`
	Grants     bool   `json:"grants"`
	Why        string `json:"why"`
}

// RefusedVerdict returns the verdict of a refusal.
func RefusedVerdict(info *engine.ErrorInfo) Verdict {
	return Verdict{Code: info.Code, StatusCode: info.StatusCode, Reason: string(info.Reason()), Message: info.Message}
}

// AdmittedVerdict returns the verdict of an admission as the given identity.
func AdmittedVerdict(g *engine.Grant, identity engine.Identity) Verdict {
	return Verdict{
		Admitted: true, KeyName: g.KeyName(), ClientID: string(identity.AppendClientID(nil)),
		Capability: string(g.AppendCapability(nil)), Issued: int64(g.Issued()), Expires: int64(g.Expires()),
	}
}

// NewReport returns the report of an explanation and of the rules that Explain
// has returned for it.
func NewReport(x *engine.Explanation, peer Peer, rules []capability.RuleTrace) *Report {
	r := new(Report)
	for _, c := range x.Checks {
		outcome := [...]string{engine.NotReached: "not reached", engine.Passed: "passed", engine.Failed: "failed"}[c.Outcome]
		r.Checks = append(r.Checks, ReportedCheck{c.Step.String(), outcome, c.Detail})
	}
	for _, rule := range rules {
		r.Rules = append(r.Rules, ReportedRule{rule.Resource, rule.Ops.String(), rule.Grants, rule.Why})
	}
	if x.Err != nil {
		r.Verdict, r.Fix = RefusedVerdict(x.Err), x.Err.Fix()
		return r
	}
	var s Session
	if err := Admit(&s, &x.Grant, peer); err != nil {
		panic("admission: an explanation without error is not admitted")
	}
	r.Verdict = AdmittedVerdict(&x.Grant, s.Identity())
	return r
}

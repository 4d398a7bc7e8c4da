package oracle

// States of an API key.
const (
	Active     = "active"      // may do all that its capability says
	VerifyOnly = "verify_only" // its tokens verify, the key itself may not be presented
	Disabled   = "disabled"    // nothing of it is admitted
	Revoked    = "revoked"     // nothing of it is admitted, for good
)

// Kinds of identity that a credential can carry (RSA7, RSA12).
const (
	Identified = "identified" // exactly the one clientId
	Wildcard   = "wildcard"   // any clientId may be claimed
	Anonymous  = "anonymous"  // none, and none may be claimed
)

// Key is one API key as an operator configures it.
type Key struct {
	Name            string // appId.keyId
	Secret          string // its bytes are the HMAC key, as they stand
	Capability      string // JSON; "" means {"*":["*"]}
	RevocableTokens bool   // caps the life of its tokens at one hour
	State           string // Active, VerifyOnly, Disabled or Revoked; "" means Active
	NotAfter        int64  // Unix milliseconds; 0 means that the key does not expire
}

// Verdict is the answer to one credential. The zero Reason means admitted; in a
// refusal only Reason, Code and Status are set.
type Verdict struct {
	Reason string // which rule was broken; "" when admitted
	Code   int    // Ably's error code
	Status int    // HTTP status

	KeyName    string
	ClientID   string // set only when ClientKind is Identified
	ClientKind string // Identified, Wildcard or Anonymous
	Capability string // canonical text of what is granted
	Issued     int64  // Unix milliseconds; 0 for an API key
	Expires    int64  // Unix milliseconds; 0 for an API key
}

// Code is what a client is told about a refusal.
type Code struct {
	Code   int // Ably's error code
	Status int // HTTP status
}

// Codes maps every reason for a refusal to what the client is told.
//
// Faults that a fresh token of the same issuer would have again are 40003 and
// not 40144: client libraries renew a token on 40140 to 40149 (RTN14b), and would
// do so without end.
func Codes() map[string]Code {
	return map[string]Code{
		"no_credentials":     {40101, 401},
		"malformed_key":      {40005, 400},
		"malformed_token":    {40005, 400},
		"token_too_long":     {40005, 400},
		"ably_token_invalid": {40145, 401},
		"token_kind":         {40145, 401},

		"jwt_segments":         {40144, 401},
		"base64_padding":       {40144, 401},
		"base64_alphabet":      {40144, 401},
		"base64_trailing_bits": {40144, 401},
		"base64_invalid":       {40144, 401},

		"header_malformed": {40144, 401},
		"alg_not_allowed":  {40144, 401},
		"critical_header":  {40144, 401},
		"typ_not_allowed":  {40144, 401},
		"kid_missing":      {40144, 401},
		"kid_invalid":      {40144, 401},

		"embedded_token":         {40144, 401},
		"embedded_malformed":     {40144, 401},
		"embedded_outer_expired": {40142, 401},
		"embedded_outer_later":   {40144, 401},

		"unknown_app":     {40400, 404},
		"unknown_key":     {40400, 401},
		"key_app_unknown": {40101, 401},
		"bad_secret":      {40101, 401},
		"bad_signature":   {40144, 401},
		"key_disabled":    {40130, 401},
		"key_verify_only": {40130, 401},
		"key_revoked":     {40131, 401},
		"key_expired":     {40132, 401},

		"claims_malformed":   {40144, 401},
		"duplicate_name":     {40144, 401},
		"iat_missing":        {40144, 400},
		"exp_missing":        {40144, 400},
		"time_claim_invalid": {40144, 401},
		"token_expired":      {40142, 401},
		"exp_not_after_iat":  {40003, 400},
		"issued_in_future":   {40144, 401},
		"not_yet_valid":      {40144, 401},
		"ttl_too_long":       {40003, 400},

		"unknown_ably_header":  {40003, 400},
		"unknown_ably_claim":   {40003, 400},
		"claim_invalid":        {40003, 400},
		"client_id_invalid":    {40012, 400},
		"capability_invalid":   {40003, 400},
		"capability_too_large": {40003, 400},
		"token_revoked":        {40141, 401},
		"capability_empty":     {40160, 401},

		"client_id_mismatch":         {40102, 401},
		"channel_invalid":            {40010, 400},
		"capability_denied":          {40160, 401},
		"presence_without_client_id": {91000, 400},
	}
}

// refuse makes the verdict for a reason. A reason outside the table is a mistake
// of this package, and stops the test that met it.
func refuse(reason string) Verdict {
	code, known := Codes()[reason]
	if !known {
		panic("oracle: no code for reason " + reason)
	}
	return Verdict{Reason: reason, Code: code.Code, Status: code.Status}
}

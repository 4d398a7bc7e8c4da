package engine

// TokenDetails is an issued token and what it grants (TD1-TD7). Its slices are
// its own; one that is issued into again reuses their memory.
type TokenDetails struct {
	Token      []byte
	KeyName    string
	Issued     UnixMilli
	Expires    UnixMilli
	Capability []byte       // canonical text
	Kind       IdentityKind // Anonymous: without clientId; Wildcard: with "*"
	ClientID   []byte
}

// Issuer issues the tokens that a Verifier has granted. It is safe for
// concurrent use.
type Issuer struct{}

// NewIssuer returns an Issuer.
func NewIssuer() *Issuer { return &Issuer{} }

// Issue issues the token that g grants, as Redeem has made it. Only a Verifier
// makes a Grant that grants anything, so only what was verified can be issued.
// Every token is another one, even of one Grant.
func (*Issuer) Issue(dst *TokenDetails, g *Grant) error {
	if g.key == nil || !g.IsToken() {
		return ErrNothingGranted
	}
	sealer := g.key.sealers.newest(sealAccess)
	if sealer == nil {
		return ErrSealSecretMissing
	}
	dst.Capability = g.AppendCapability(dst.Capability[:0])
	dst.Token = sealer.appendAccess(dst.Token[:0], &g.verified, dst.Capability)
	if len(dst.Token) > MaxTokenBytes {
		dst.Token = dst.Token[:0]
		return ErrTokenSize
	}
	dst.KeyName, dst.Issued, dst.Expires = g.key.Name, g.issued, g.expires
	dst.Kind, dst.ClientID = g.kind, append(dst.ClientID[:0], g.clientID...)
	return nil
}

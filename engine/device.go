package engine

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"time"
	"unicode/utf8"

	"portcullis/capability"
)

// DeviceTokenTTL is how long a device token lives: Ably's limit, five years, of 365
// days each.
const DeviceTokenTTL = 5 * 365 * 24 * time.Hour

// MaxDeviceIDBytes is the longest id of a device.
const MaxDeviceIDBytes = 256

// ValidDeviceID says whether id can be that of a device: 1 to 256 bytes of UTF-8
// without control characters.
func ValidDeviceID(id []byte) bool {
	return len(id) > 0 && len(id) <= MaxDeviceIDBytes && utf8.Valid(id) && !hasControl(id)
}

// Generation tells the registrations apart that one device has had, one after the
// other. It is random: a registration that is deleted and made anew must not bring
// tokens of the old one to life.
type Generation [16]byte

// Device is a registered device.
type Device struct {
	ID         []byte
	ClientID   []byte // empty for none
	Generation Generation
}

// DeviceTokenDetails is an issued device token (a deviceIdentityToken) and what it
// says.
type DeviceTokenDetails struct {
	TokenDetails
	DeviceID []byte
}

// What is sealed of a device token is
//
//	issued 8 | expires 8 | key capability 8 | identity kind 1 | clientId length 2 | deviceId length 2 | generation 16 |
//	clientId | deviceId | capability
//
// in the form that sealed.go describes.
const deviceFixed = 8 + 8 + 8 + 1 + 2 + 2 + 16

// IssueDevice issues a token for a device, on the authority of g, which a Verifier
// has made. Such a token grants push-subscribe where g does, alone or with
// push-admin, and nothing else.
//
// What may have changed since g was verified is looked at again, for a device token
// outlives everything: the key's state and revocations.
func (*Issuer) IssueDevice(dst *DeviceTokenDetails, g *Grant, d *Device, now UnixMilli) error {
	if g.key == nil {
		return ErrNothingGranted
	}
	if err := g.stillGood(now); err != nil {
		return err
	}
	sealer := g.key.sealers.newest(sealDevice)
	switch {
	case sealer == nil:
		return ErrSealSecretMissing
	case !ValidDeviceID(d.ID):
		return ErrBody
	case len(d.ClientID) > 0 && !ValidClientID(d.ClientID):
		return ErrRequestClientID
	}
	kind := Anonymous
	if len(d.ClientID) > 0 {
		kind = Identified
	}
	dst.Capability = g.Capability().Restrict(capability.PushSubscribe).AppendJSON(dst.Capability[:0])
	dst.KeyName, dst.Issued, dst.Expires = g.key.Name, now, now.Add(DeviceTokenTTL)
	dst.Kind, dst.ClientID = kind, append(dst.ClientID[:0], d.ClientID...)
	dst.DeviceID = append(dst.DeviceID[:0], d.ID...)

	plain := binary.BigEndian.AppendUint64(nil, uint64(dst.Issued))
	plain = binary.BigEndian.AppendUint64(plain, uint64(dst.Expires))
	plain = append(plain, g.key.whole.hash[:]...)
	plain = append(plain, byte(kind))
	plain = binary.BigEndian.AppendUint16(plain, uint16(len(d.ClientID)))
	plain = binary.BigEndian.AppendUint16(plain, uint16(len(d.ID)))
	plain = append(plain, d.Generation[:]...)
	plain = append(append(append(plain, d.ClientID...), d.ID...), dst.Capability...)
	dst.Token = sealer.appendSealed(dst.Token[:0], g.key, plain)
	if len(dst.Token) > MaxTokenBytes {
		dst.Token = dst.Token[:0]
		return ErrTokenSize
	}
	return nil
}

// stillGood says why what g was verified from is good no more, or good for no new
// token, or nil.
func (g *Grant) stillGood(now UnixMilli) error {
	if err := g.key.usable(now); err != nil {
		return err
	}
	revoked, _ := g.key.ledger.revocations.Load().verdict(&g.verified, now)
	switch {
	case g.key.State == VerifyOnly:
		return ErrKeyVerifyOnly
	case g.IsToken() && now >= g.expires:
		return ErrTokenExpired
	case g.IsToken() && revoked:
		return ErrTokenRevoked
	}
	return nil
}

// IsDeviceToken says whether a token says that it is a device token, so that it is
// VerifyDeviceToken that must judge it.
func IsDeviceToken(token []byte) bool {
	_, segment, found := bytes.Cut(token, []byte{'.'})
	var head [3]byte
	if !found || len(segment) < 4 {
		return false
	}
	_, err := base64.RawURLEncoding.Decode(head[:], segment[:4])
	return err == nil && isOfKind(head[:], sealDevice)
}

// DeviceGrant is what a verified device token says and grants. The zero DeviceGrant
// denies everything. It is meant to be reused, and what its methods return is good
// until it is verified into again.
type DeviceGrant struct {
	grant      Grant
	deviceID   []byte
	generation Generation
}

// VerifyDeviceToken verifies a device token into dst. After an error, always an
// *[ErrorInfo], dst denies everything. No error has one of the codes that make SDKs
// fetch a new token: they would fetch another one than this.
//
// Whether the registration still exists, and is of the token's generation, is for
// the caller to find out.
func (v *Verifier) VerifyDeviceToken(dst *DeviceGrant, token []byte, now UnixMilli) error {
	dst.deny()
	if len(token) > MaxTokenBytes {
		return ErrDeviceToken
	}
	s := v.scratch.Get().(*scratch)
	err := v.verifyDevice(dst, s, token, now)
	v.scratch.Put(s)
	if err != nil {
		dst.deny()
		return err
	}
	dst.grant.key.ledger.use(now)
	return nil
}

func (v *Verifier) verifyDevice(dst *DeviceGrant, s *scratch, token []byte, now UnixMilli) error {
	plain, err := v.open(&dst.grant, s, sealDevice, token)
	if err != nil {
		return ErrDeviceToken
	}
	if err := dst.grant.key.usable(now); err != nil {
		return err
	}
	if err := s.readDevice(dst, plain, now); err != nil {
		return err
	}
	if g := &dst.grant; g.key.ledger.revocations.Load().refusesClient(&g.verified, now) {
		return ErrDeviceTokenRevoked
	}
	return nil
}

// readDevice reads what was sealed into dst. The maximum lifetimes of tokens are not
// asked: device tokens have their own.
func (s *scratch) readDevice(dst *DeviceGrant, plain []byte, now UnixMilli) error {
	if len(plain) < deviceFixed {
		return ErrDeviceToken // sealed by us, yet not in our form: another version
	}
	g := &dst.grant
	g.issued, g.expires = UnixMilli(binary.BigEndian.Uint64(plain)), UnixMilli(binary.BigEndian.Uint64(plain[8:]))
	g.settled = [8]byte(plain[16:24]) == g.key.whole.hash
	g.kind = IdentityKind(plain[24])
	clientID, deviceID := int(binary.BigEndian.Uint16(plain[25:])), int(binary.BigEndian.Uint16(plain[27:]))
	dst.generation = Generation(plain[29:])
	rest := plain[deviceFixed:]
	switch {
	case g.kind > Identified || clientID+deviceID > len(rest):
		return ErrDeviceToken
	case now >= g.expires:
		return ErrDeviceTokenExpired
	case g.issued > now.Add(ClockSkew), g.expires-g.issued > UnixMilli(DeviceTokenTTL.Milliseconds()):
		return ErrDeviceToken
	}
	if clientID > 0 {
		g.clientID = rest[:clientID:clientID]
	}
	dst.deviceID = rest[clientID : clientID+deviceID : clientID+deviceID]
	text := rest[clientID+deviceID:]
	if s.parser.Parse(&g.set, text) != nil {
		return ErrDeviceToken
	}
	g.claimed, g.claimedText = &g.set, text
	return nil
}

func (d *DeviceGrant) deny() {
	d.grant.verified = verified{}
	d.deviceID, d.generation = nil, Generation{}
}

// KeyName returns the name of the key that the token was issued by.
func (d *DeviceGrant) KeyName() string { return d.grant.KeyName() }

// DeviceID returns which device the token is of, nil when there is none.
func (d *DeviceGrant) DeviceID() []byte { return d.deviceID }

// Generation returns which of its registrations the token was issued for.
func (d *DeviceGrant) Generation() Generation { return d.generation }

// Identity returns the clientId of that registration.
func (d *DeviceGrant) Identity() Identity { return d.grant.Identity() }

// Issued returns when the token was issued.
func (d *DeviceGrant) Issued() UnixMilli { return d.grant.issued }

// Expires returns the first moment at which the token is no longer good.
func (d *DeviceGrant) Expires() UnixMilli { return d.grant.expires }

// Authorize says whether the device may subscribe to the push messages of a
// resource: nil or [ErrCapabilityDenied].
func (d *DeviceGrant) Authorize(r capability.Resource) error {
	return d.grant.Authorize(r, capability.PushSubscribe)
}

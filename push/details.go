package push

import (
	"slices"

	"github.com/segmentio/encoding/json"

	"portcullis/engine"
)

// Details are what is told of a device.
type Details struct {
	ID         string
	ClientID   string // "" for none
	Platform   string
	FormFactor string
	Metadata   json.RawMessage // JSON; nil for none
	Recipient  json.RawMessage // where push messages would go: a JSON object
}

// Change is what a request wants a device to be. What it does not name is empty.
type Change struct {
	Details
	Secret engine.Secret // the deviceSecret
}

// What a platform and a form factor may be (Ably's documentation of
// POST /push/deviceRegistrations).
var (
	platforms   = []string{"android", "browser", "ios"}
	formFactors = []string{"car", "desktop", "embedded", "other", "phone", "tablet", "tv", "watch"}
)

// check says what is wrong with a change. A whole one names everything that a device
// must have.
func (c *Change) check(whole bool) error {
	switch {
	case !engine.ValidDeviceID([]byte(c.ID)):
		return engine.ErrBody.WithDetail("id must be a string of 1 to 256 bytes without control characters")
	case c.ClientID != "" && !engine.ValidClientID([]byte(c.ClientID)):
		return engine.ErrRequestClientID
	case (whole || c.Platform != "") && !slices.Contains(platforms, c.Platform):
		return engine.ErrBody.WithDetail("platform must be android, browser or ios")
	case (whole || c.FormFactor != "") && !slices.Contains(formFactors, c.FormFactor):
		return engine.ErrBody.WithDetail("formFactor must be car, desktop, embedded, other, phone, tablet, tv or watch")
	case whole && c.Recipient == nil:
		return engine.ErrBody.WithDetail("push.recipient must be an object with a transportType")
	case len(c.Metadata) > MaxDetailBytes || len(c.Recipient) > MaxDetailBytes || len(c.Secret) > MaxSecretBytes:
		return engine.ErrPushLimit
	}
	return nil
}

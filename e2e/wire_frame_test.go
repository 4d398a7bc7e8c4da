package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// The actions of the realtime protocol (TR2).
const (
	actHeartbeat    = 0
	actAck          = 1
	actNack         = 2
	actConnected    = 4
	actDisconnect   = 5
	actDisconnected = 6
	actClose        = 7
	actClosed       = 8
	actError        = 9
	actAttach       = 10
	actAttached     = 11
	actDetach       = 12
	actDetached     = 13
	actPresence     = 14
	actMessage      = 15
	actSync         = 16
	actAuth         = 17
	actObject       = 19
	actAnnotation   = 21
)

// The actions of a presence message (TP2).
const (
	presPresent = 1
	presEnter   = 2
	presLeave   = 3
	presUpdate  = 4
)

// The flags of ATTACHED (TR3).
const (
	flagHasPresence = 1 << 0
	flagResumed     = 1 << 2
	modePresence    = 1 << 16
	modePublish     = 1 << 17
	modeSubscribe   = 1 << 18
	modePresenceSub = 1 << 19
	modeAll         = modePresence | modePublish | modeSubscribe | modePresenceSub
)

// frame is a protocol message as it stands on the wire.
type frame struct {
	Action        int               `json:"action"`
	ID            string            `json:"id"`
	Channel       string            `json:"channel"`
	ChannelSerial string            `json:"channelSerial"`
	ConnectionID  string            `json:"connectionId"`
	MsgSerial     *int64            `json:"msgSerial"`
	Count         int64             `json:"count"`
	Flags         int64             `json:"flags"`
	Timestamp     int64             `json:"timestamp"`
	Error         *fault            `json:"error"`
	Details       connectionDetails `json:"connectionDetails"`
	Messages      []wireMessage     `json:"messages"`
	Presence      []wireMessage     `json:"presence"`
	Res           []struct {
		Serials []*string `json:"serials"`
	} `json:"res"`

	members map[string]any // every member, to tell an absent one from an empty one
}

// connectionDetails are those of CONNECTED (CD1).
type connectionDetails struct {
	ClientID           string `json:"clientId"`
	ConnectionKey      string `json:"connectionKey"`
	MaxMessageSize     int64  `json:"maxMessageSize"`
	MaxFrameSize       int64  `json:"maxFrameSize"`
	MaxInboundRate     int64  `json:"maxInboundRate"`
	ConnectionStateTTL int64  `json:"connectionStateTtl"`
	MaxIdleInterval    int64  `json:"maxIdleInterval"`
	ServerID           string `json:"serverId"`
}

// wireMessage is one message or one presence message of a frame.
type wireMessage struct {
	ID           string         `json:"id"`
	Action       int            `json:"action"`
	ClientID     string         `json:"clientId"`
	ConnectionID string         `json:"connectionId"`
	Name         string         `json:"name"`
	Data         any            `json:"data"`
	Encoding     string         `json:"encoding"`
	Timestamp    int64          `json:"timestamp"`
	Serial       string         `json:"serial"`
	Extras       map[string]any `json:"extras"`
}

// has says whether the frame has a member of that name, be it empty.
func (f frame) has(name string) bool {
	_, present := f.members[name]
	return present
}

// hasDetail says whether connectionDetails has a member of that name.
func (f frame) hasDetail(name string) bool {
	details, _ := f.members["connectionDetails"].(map[string]any)
	_, present := details[name]
	return present
}

func (f frame) String() string {
	text, _ := json.Marshal(f.members)
	return string(text)
}

// decodeFrame decodes a text frame as JSON and a binary frame as msgpack.
func decodeFrame(payload []byte, binary bool) (f frame, err error) {
	if !binary {
		if err = json.Unmarshal(payload, &f); err == nil {
			err = json.Unmarshal(payload, &f.members)
		}
	} else if err = decodeMsgpack(payload, &f); err == nil {
		err = decodeMsgpack(payload, &f.members)
	}
	if err != nil {
		return f, fmt.Errorf("%w in %q", err, payload)
	}
	return f, nil
}

func decodeMsgpack(payload []byte, into any) error {
	r := bytes.NewReader(payload)
	d := msgpack.NewDecoder(r)
	d.SetCustomStructTag("json")
	d.UseLooseInterfaceDecoding(true)
	if err := d.Decode(into); err != nil {
		return err
	}
	if r.Len() != 0 {
		return fmt.Errorf("%d bytes behind the map", r.Len())
	}
	return nil
}

package push

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentio/encoding/json"

	"portcullis/engine"
	"portcullis/internal/jsonscan"
)

// device is a registered device. It is immutable: a change makes another one.
type device struct {
	Details
	app        string
	secretHash []byte // SHA-256 of the deviceSecret; nil when there is none
	generation engine.Generation
	keyName    string           // of the key that issued the generation's token
	since      engine.UnixMilli // when the credential was issued that it was issued on,
	bearer     string           // its clientId, "*" for any,
	revocation string           // and its revocation key
	dies       engine.UnixMilli // when a revocation ends it; 0 means none does
	channels   []string         // what the device subscribes to, sorted
}

// client is what all devices of a clientId subscribe to. It is immutable.
type client struct {
	app, id  string
	channels []string // sorted
}

// A record is a device or a client as it is kept: JSON, under the name APP/d/HASH
// or APP/c/HASH. The hash, base64url of the SHA-256 of the deviceId or clientId,
// bounds the name and has no slash, so that a name belongs to one app only.
const (
	kindDevice = "/d/"
	kindClient = "/c/"
)

func recordName(app, kind, id string) string {
	sum := sha256.Sum256([]byte(id))
	return app + kind + base64.RawURLEncoding.EncodeToString(sum[:])
}

// keptRecord is the JSON of a record. Never the deviceSecret, only its hash.
type keptRecord struct {
	App        string          `json:"app"`
	ID         string          `json:"id,omitempty"`
	ClientID   string          `json:"clientId,omitempty"`
	Platform   string          `json:"platform,omitempty"`
	FormFactor string          `json:"formFactor,omitempty"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
	Recipient  json.RawMessage `json:"recipient,omitempty"`
	SecretHash string          `json:"secretHash,omitempty"` // hexadecimal
	Generation string          `json:"generation,omitempty"` // hexadecimal
	KeyName    string          `json:"keyName,omitempty"`
	Since      int64           `json:"since,omitempty"`
	Bearer     string          `json:"bearer,omitempty"`
	Revocation string          `json:"revocation,omitempty"`
	Dies       int64           `json:"dies,omitempty"`
	Channels   []string        `json:"channels"`
}

func (d *device) name() string { return recordName(d.app, kindDevice, d.ID) }
func (c *client) name() string { return recordName(c.app, kindClient, c.id) }

func (d *device) encode() []byte {
	return encode(&keptRecord{
		d.app, d.ID, d.ClientID, d.Platform, d.FormFactor, d.Metadata, d.Recipient, hex.EncodeToString(d.secretHash),
		hex.EncodeToString(d.generation[:]), d.keyName, int64(d.since), d.bearer, d.revocation, int64(d.dies), d.channels,
	})
}

func (c *client) encode() []byte {
	return encode(&keptRecord{App: c.app, ClientID: c.id, Channels: c.channels})
}

func encode(k *keptRecord) []byte {
	if k.Channels == nil {
		k.Channels = []string{}
	}
	text, err := json.Append(nil, k, 0)
	if err != nil { // the raw parts were JSON when they came
		panic(err)
	}
	return text
}

var errRecord = errors.New("push: not a record as this program writes it")

// decode reads a record: a device or a client. It is strict, as what it says
// decides who may do what.
func decode(name string, value []byte) (*device, *client, error) {
	var k keptRecord
	if err := k.read(value); err != nil {
		return nil, nil, err
	}
	if k.ID == "" {
		c := &client{k.App, k.ClientID, k.Channels}
		if c.id == "" || c.name() != name {
			return nil, nil, errRecord
		}
		return nil, c, nil
	}
	d := &device{
		Details: Details{k.ID, k.ClientID, k.Platform, k.FormFactor, k.Metadata, k.Recipient},
		app:     k.App, keyName: k.KeyName, since: engine.UnixMilli(k.Since), bearer: k.Bearer, revocation: k.Revocation, dies: engine.UnixMilli(k.Dies), channels: k.Channels,
	}
	var err error
	if k.SecretHash != "" {
		d.secretHash, err = hex.DecodeString(k.SecretHash)
	}
	generation, err2 := hex.DecodeString(k.Generation)
	if err != nil || err2 != nil || len(generation) != len(d.generation) || d.secretHash != nil && len(d.secretHash) != sha256.Size || d.name() != name {
		return nil, nil, errRecord
	}
	d.generation = engine.Generation(generation)
	return d, nil, nil
}

// read reads the JSON: known names only, letter for letter, none of them twice.
func (k *keptRecord) read(value []byte) error {
	texts := map[string]*string{
		"app": &k.App, "id": &k.ID, "clientId": &k.ClientID, "platform": &k.Platform, "formFactor": &k.FormFactor,
		"secretHash": &k.SecretHash, "generation": &k.Generation, "keyName": &k.KeyName,
		"bearer": &k.Bearer, "revocation": &k.Revocation,
	}
	numbers := map[string]*int64{"since": &k.Since, "dies": &k.Dies}
	raws := map[string]*json.RawMessage{"metadata": &k.Metadata, "recipient": &k.Recipient}
	var s jsonscan.Scanner
	for s.Reset(value, 0); s.Next(); {
		name, v := string(s.Name()), s.Value()
		text, number, raw := texts[name], numbers[name], raws[name]
		switch {
		case text != nil && v.Kind == jsonscan.String:
			*text = string(v.Unescaped())
		case number != nil && v.Kind == jsonscan.Number:
			var err error
			if *number, err = strconv.ParseInt(string(v.Text), 10, 64); err != nil {
				return errRecord
			}
		case raw != nil && v.Kind == jsonscan.String:
			*raw = append(append(json.RawMessage{'"'}, v.Text...), '"')
		case raw != nil && !v.Duplicate:
			*raw = bytes.Clone(v.Text)
		case name == "channels" && v.Kind == jsonscan.Array:
			elements := jsonscan.In(v)
			for e, ok := elements.Next(); ok; e, ok = elements.Next() {
				if e.Kind != jsonscan.String {
					return errRecord
				}
				k.Channels = append(k.Channels, string(e.Unescaped()))
			}
		default:
			return errRecord
		}
	}
	if s.Err() != nil || !slices.IsSorted(k.Channels) {
		return errRecord
	}
	return nil
}

// hashOf returns what is kept of a deviceSecret, nil for none.
func hashOf(secret engine.Secret) []byte {
	if secret == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func newGeneration() (g engine.Generation) {
	_, _ = rand.Read(g[:]) // never fails: the process ends where there is no randomness
	return g
}

// appOf returns the app of a key name.
func appOf(keyName string) string {
	app, _, _ := strings.Cut(keyName, ".")
	return app
}

// with returns channels with one more, sorted, and without one less.
func with(channels []string, channel string) []string {
	at, found := slices.BinarySearch(channels, channel)
	if found {
		return channels
	}
	return slices.Insert(slices.Clone(channels), at, channel)
}

func without(channels []string, gone func(channel string) bool) []string {
	return slices.DeleteFunc(slices.Clone(channels), gone)
}

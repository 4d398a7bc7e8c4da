package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/engine"
)

// revocationReader reads the body of revokeTokens, as readRevocation does.
type revocationReader func(body []byte, msgpack bool) (*revocationRequest, error)

func readRevocationBody(body []byte, msgpack bool) (*revocationRequest, error) {
	var ctx fasthttp.RequestCtx
	ctx.Request.SetBody(body)
	if msgpack {
		ctx.Request.Header.SetContentType("application/x-msgpack")
	}
	return readRevocation(&ctx)
}

// FuzzRevokeBody holds the reader of the body of revokeTokens against faultOf.
func FuzzRevokeBody(f *testing.F) {
	seeds := revokeBodySeeds()
	require.Greater(f, len(seeds), 150, "hardly any seeds")
	for _, s := range seeds {
		f.Add(s.body, s.msgpack)
	}
	f.Fuzz(func(t *testing.T, body []byte, msgpack bool) {
		require.NoError(t, faultOf(readRevocationBody, body, msgpack))
	})
}

// faultOf says which property read breaks on a body:
//
//   - it accepts what the plain reading accepts, and reads the same;
//   - what it refuses, it refuses with 40003 where issuedBefore is a number, and
//     with 40001 otherwise;
//   - what it accepts is within the limits, and reads the same again, in JSON and
//     in msgpack;
//   - a body in JSON is read as the same members in msgpack are.
func faultOf(read revocationReader, body []byte, msgpack bool) error {
	got, err := read(body, msgpack)
	want, ok := plainReading(body, msgpack)
	switch {
	case ok != (err == nil):
		return fmt.Errorf("%q: the plain reading accepts: %t; the reader says %v", body, ok, err)
	case ok && !sameRevocation(got, want):
		return fmt.Errorf("%q: read as %+v, plainly as %+v", body, got, want)
	}
	if err != nil {
		return refusalFault(err, body, msgpack)
	}
	total := 0
	for _, target := range got.targets {
		total += len(target)
	}
	if len(got.targets) < 1 || len(got.targets) > 100 || total > len(body) || got.issuedBefore > 1<<53 || got.issuedBefore < -1<<53 {
		return fmt.Errorf("%q: accepted beyond the limits: %+v", body, got)
	}
	for _, again := range []struct {
		body    []byte
		msgpack bool
	}{{got.json(), false}, {got.msgpack(), true}} {
		if second, err := read(again.body, again.msgpack); err != nil || !sameRevocation(second, got) {
			return fmt.Errorf("%q: spelt anew as %q: %+v, %v", body, again.body, second, err)
		}
	}
	if members, ok := plainMembers(body, false); ok && !msgpack {
		if packed, err := read(packMembers(members), true); err != nil || !sameRevocation(packed, got) {
			return fmt.Errorf("%q: in msgpack: %+v, %v", body, packed, err)
		}
	}
	return nil
}

// refusalFault says what is wrong with the error for a body that is refused. Of a
// body that is not one map either error may be met first.
func refusalFault(err error, body []byte, msgpack bool) error {
	members, readable := plainMembers(body, msgpack)
	number := false
	rest := slices.DeleteFunc(slices.Clone(members), func(m plainMember) bool {
		switch m.value.(type) {
		case json.Number, *big.Int, float64:
			number = number || m.name == "issuedBefore"
		}
		return m.name == "issuedBefore"
	})
	_, restIsGood := plainMeaning(rest)
	onlyTheNumber := readable && number && restIsGood && len(rest) == len(members)-1
	switch {
	case errors.Is(err, engine.ErrIssuedBefore) && (number || !readable):
		return nil
	case errors.Is(err, engine.ErrBody) && !onlyTheNumber:
		return nil
	}
	return fmt.Errorf("%q: refused with %v", body, err)
}

func sameRevocation(a, b *revocationRequest) bool {
	return fmt.Sprintf("%q", a.targets) == fmt.Sprintf("%q", b.targets) && a.issuedBefore == b.issuedBefore && a.hasIssuedBefore == b.hasIssuedBefore && a.margin == b.margin
}

// json spells r as JSON.
func (r *revocationRequest) json() []byte {
	fields := map[string]any{"targets": r.targets, "allowReauthMargin": r.margin}
	if r.hasIssuedBefore {
		fields["issuedBefore"] = int64(r.issuedBefore)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return text
}

// msgpack spells r as msgpack.
func (r *revocationRequest) msgpack() []byte {
	targets := make([]any, len(r.targets))
	for i, target := range r.targets {
		targets[i] = target
	}
	members := []plainMember{{"allowReauthMargin", r.margin}, {"targets", targets}}
	if r.hasIssuedBefore {
		members = append(members, plainMember{"issuedBefore", int64(r.issuedBefore)})
	}
	return packMembers(members)
}

// packMembers spells members as they are, repeated names included, in msgpack.
func packMembers(members []plainMember) []byte {
	body := msgp.AppendMapHeader(nil, uint32(len(members)))
	for _, m := range members {
		body = packValue(msgp.AppendString(body, m.name), m.value)
	}
	return body
}

func packValue(body []byte, value any) []byte {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return msgp.AppendInt64(body, n)
		}
		n, _ := v.Float64()
		return msgp.AppendFloat64(body, n)
	case []any:
		body = msgp.AppendArrayHeader(body, uint32(len(v)))
		for _, element := range v {
			body = packValue(body, element)
		}
		return body
	case strange:
		return msgp.AppendMapHeader(body, 0)
	}
	body, err := msgp.AppendIntf(body, value)
	if err != nil {
		panic(err)
	}
	return body
}

type revokeBodySeed struct {
	body    []byte
	msgpack bool
}

// revokeBodySeeds are bodies of every shape of the specification, and bodies with
// one thing wrong, in both formats where both can have it.
func revokeBodySeeds() (seeds []revokeBodySeed) {
	many := func(n int) string {
		return `{"targets":[` + strings.TrimSuffix(strings.Repeat(`"clientId:a",`, n), ",") + `]}`
	}
	const one = `{"targets":["clientId:a"]`
	for _, text := range []string{
		one + `}`, `{"targets":[" clientId:a "]}`, `{"targets":["clientId:a","revocationKey:group:1","channel:chat:*","clientId:*","device:x","","clientId:","noColon"]}`,
		one + `,"issuedBefore":1700000000000}`, one + `,"issuedBefore":0}`, one + `,"issuedBefore":-1}`, one + `,"issuedBefore":null}`,
		one + `,"allowReauthMargin":true}`, one + `,"allowReauthMargin":false}`, one + `,"allowReauthMargin":null}`,
		`{"allowReauthMargin":true,"issuedBefore":1700000000000,"targets":["clientId:b"]}`, " {\t\"targets\"\r:\n[ \"clientId:a\" , \"clientId:a\" ] } \n",
		`{"t\u0061rgets":["client\u0049d:\"\\\/\b\f\n\r\t\u0000\ud83d\ude00é😀"]}`, many(99), many(100),
		one + `,"issuedBefore":9007199254740992}`, one + `,"issuedBefore":-9007199254740992}`,
		// And those that must be refused.
		many(101), many(150), `{}`, `[]`, `null`, `"targets"`, `1`, ``, ` `, `{"targets":[]}`, `{"targets":null}`, `{"targets":"clientId:a"}`, `{"targets":{"0":"clientId:a"}}`,
		`{"targets":["clientId:a",1]}`, `{"targets":["clientId:a",null]}`, `{"targets":["clientId:a",["clientId:b"]]}`, `{"targets":["clientId:a",{"a":1}]}`, `{"targets":[true]}`,
		`{"issuedBefore":1,"allowReauthMargin":true}`, `{"target":["clientId:a"]}`, `{"Targets":["clientId:a"]}`, one + `,"issuedbefore":1}`, one + `,"allowreauthmargin":true}`,
		one + `,"IssuedBefore":1700000000000}`, one + `,"x":1}`, one + `,"issuedbefore":null}`, one + `,"":1}`,
		one + `,"targets":["clientId:b"]}`, one + `,"issuedBefore":1,"issuedBefore":2}`, one + `,"issuedBefore":null,"issuedBefore":2}`, one + `,"allowReauthMargin":true,"allowReauthMargin":false}`,
		one + `,"t\u0061rgets":["clientId:b"]}`,
		one + `,"issuedBefore":1.5}`, one + `,"issuedBefore":1.0}`, one + `,"issuedBefore":1e3}`, one + `,"issuedBefore":1E400}`, one + `,"issuedBefore":-0}`, one + `,"issuedBefore":01}`,
		one + `,"issuedBefore":9007199254740993}`, one + `,"issuedBefore":-9007199254740993}`, one + `,"issuedBefore":9223372036854775807}`, one + `,"issuedBefore":9223372036854775808}`, one + `,"issuedBefore":99999999999999999999999}`,
		one + `,"issuedBefore":"1700000000000"}`, one + `,"issuedBefore":true}`, one + `,"issuedBefore":[]}`, one + `,"issuedBefore":NaN}`, one + `,"issuedBefore":Infinity}`, one + `,"issuedBefore":+1}`,
		one + `,"allowReauthMargin":1}`, one + `,"allowReauthMargin":"true"}`, one + `,"allowReauthMargin":0}`, one + `,"allowReauthMargin":{}}`,
		one + `}x`, one + `}{}`, one, one + `,}`, `{"targets":["clientId:a",]}`, `{"targets":["clientId:a" "clientId:b"]}`, `{'targets':['clientId:a']}`, "\ufeff" + one + `}`, one + "}\x00",
		"{\"targets\":[\"clientId:\xff\"]}", "{\"targets\":[\"clientId:\xed\xa0\x80\"]}", `{"targets":["clientId:\ud800"]}`, `{"targets":["clientId:\ude00\ud83d"]}`, `{"targets":["\\ud800"]}`, "{\"targets\":[\"a\nb\"]}", `{"targets":["\x41"]}`,
		one + `,"x":` + strings.Repeat("[", 17) + strings.Repeat("]", 17) + `}`, strings.Repeat(`{"targets":`, 40), one + `/*,"issuedBefore":1*/}`,
	} {
		seeds = append(seeds, revokeBodySeed{[]byte(text), false})
		if members, ok := plainJSON([]byte(text)); ok {
			seeds = append(seeds, revokeBodySeed{packMembers(members), true})
		}
	}
	number := func(pack func(b []byte) []byte) []byte {
		body := msgp.AppendMapHeader(nil, 2)
		body = msgp.AppendArrayHeader(msgp.AppendString(body, "targets"), 1)
		body = msgp.AppendString(msgp.AppendString(body, "clientId:a"), "issuedBefore")
		return pack(body)
	}
	good := number(func(b []byte) []byte { return msgp.AppendInt64(b, 1_700_000_000_000) })
	for _, body := range [][]byte{
		number(func(b []byte) []byte { return msgp.AppendUint64(b, 1_700_000_000_000) }), number(func(b []byte) []byte { return msgp.AppendUint8(b, 200) }),
		number(func(b []byte) []byte { return msgp.AppendFloat64(b, 1_700_000_000_000) }), number(func(b []byte) []byte { return msgp.AppendFloat32(b, 1024) }),
		number(func(b []byte) []byte { return msgp.AppendInt64(b, math.MinInt64) }), number(func(b []byte) []byte { return msgp.AppendInt64(b, 1<<53+1) }),
		number(func(b []byte) []byte { return msgp.AppendUint64(b, math.MaxUint64) }), number(func(b []byte) []byte { return msgp.AppendUint64(b, 1<<53) }),
		number(func(b []byte) []byte { return msgp.AppendFloat64(b, 1<<53) }), number(func(b []byte) []byte { return msgp.AppendFloat64(b, 1<<54) }),
		number(func(b []byte) []byte { return msgp.AppendFloat64(b, 1.5) }), number(func(b []byte) []byte { return msgp.AppendFloat64(b, math.NaN()) }),
		number(func(b []byte) []byte { return msgp.AppendFloat64(b, math.Inf(-1)) }), number(func(b []byte) []byte { return msgp.AppendBytes(b, []byte("1")) }),
		number(func(b []byte) []byte { return msgp.AppendString(b, "1") }), number(func(b []byte) []byte { return append(b, 0xd6, 0xff, 1, 2, 3, 4) }),
		number(func(b []byte) []byte { return append(b, 0xc1) }), number(func(b []byte) []byte { return append(b, 0xcf, 1, 2) }),
		append(bytes.Clone(good), 0), good[:len(good)-1], good[:9], {0x80}, {0xdf, 0xff, 0xff, 0xff, 0xff}, {0x81, 0xa7}, {0xde, 0, 1, 0x01, 0x01},
		append([]byte("\x81\xa7targets\xdd\xff\xff\xff\xff"), 0xa1, 'a'), []byte("\x81\xa7targets\xdc\x00\x01\xd9\x01a"), []byte("\x81\xa7targets\xdb\x00\x00\x00\x01a"),
		[]byte("\x81\xc4\x07targets\x91\xa1a"), []byte("\x81\xa7targets\x91\xc4\x01a"), []byte("\x81\xa7targets\x91\xa2\xff\xfe"), []byte("\xdf\x00\x00\x00\x01\xd9\x07targets\xdc\x00\x01\xda\x00\x01a"),
	} {
		seeds = append(seeds, revokeBodySeed{body, true}, revokeBodySeed{body, false})
	}
	return seeds
}

// Readers as they are often written. Each gets something wrong that would leave a
// token unrevoked, or revoke another one, and the seeds alone show it.
func TestWrongReadersOfTheRevokeBodyAreFound(t *testing.T) {
	type fields struct {
		Targets           []string
		IssuedBefore      *int64
		AllowReauthMargin bool
	}
	request := func(f fields, err error) (*revocationRequest, error) {
		if err != nil || len(f.Targets) == 0 || len(f.Targets) > 100 {
			return nil, errRevocation
		}
		r := &revocationRequest{targets: f.Targets, margin: f.AllowReauthMargin}
		if f.IssuedBefore != nil {
			r.issuedBefore, r.hasIssuedBefore = engine.UnixMilli(*f.IssuedBefore), true
		}
		return r, nil
	}
	inJSON := func(read func(body []byte) (*revocationRequest, error)) revocationReader {
		return func(body []byte, msgpack bool) (*revocationRequest, error) {
			if msgpack {
				return readRevocationBody(body, true)
			}
			return read(body)
		}
	}
	after := func(change func(r *revocationRequest, body []byte, msgpack bool)) revocationReader {
		return func(body []byte, msgpack bool) (*revocationRequest, error) {
			r, err := readRevocationBody(body, msgpack)
			if err == nil {
				change(r, body, msgpack)
			}
			return r, err
		}
	}
	for name, read := range map[string]revocationReader{
		"takes the last of two": inJSON(func(body []byte) (*revocationRequest, error) {
			if members, ok := plainJSON(body); ok {
				last := make(map[string]any)
				for _, m := range members {
					last[m.name] = m.value
				}
				members = members[:0]
				for name, value := range last {
					members = append(members, plainMember{name, value})
				}
				if r, ok := plainMeaning(members); ok {
					return r, nil
				}
			}
			return nil, errRevocation
		}),
		"takes names in any case": inJSON(func(body []byte) (*revocationRequest, error) {
			d, f := json.NewDecoder(bytes.NewReader(body)), fields{}
			d.DisallowUnknownFields()
			return request(f, d.Decode(&f))
		}),
		"skips names that are not known": inJSON(func(body []byte) (*revocationRequest, error) {
			var f fields
			err := json.Unmarshal(body, &f)
			return request(f, err)
		}),
		"stops after the first value": inJSON(func(body []byte) (*revocationRequest, error) {
			if end := bytes.IndexByte(body, '}'); end >= 0 {
				body = body[:end+1]
			}
			return readRevocationBody(body, false)
		}),
		"replaces broken UTF-8": inJSON(func(body []byte) (*revocationRequest, error) {
			return readRevocationBody(bytes.ToValidUTF8(body, []byte("\ufffd")), false)
		}),
		"lets go what is too much": inJSON(func(body []byte) (*revocationRequest, error) {
			return readRevocationBody(bytes.ReplaceAll(body, []byte(strings.Repeat(`"clientId:a",`, 60)), nil), false)
		}),
		"takes numbers for what they are nearly": inJSON(func(body []byte) (*revocationRequest, error) {
			return readRevocationBody(bytes.ReplaceAll(body, []byte("1.5"), []byte("1")), false)
		}),
		"takes null for nothing less than 0": inJSON(func(body []byte) (*revocationRequest, error) {
			return readRevocationBody(bytes.ReplaceAll(body, []byte(`"issuedBefore":null`), []byte(`"issuedBefore":0`)), false)
		}),
		"forgets the margin in msgpack": after(func(r *revocationRequest, _ []byte, msgpack bool) { r.margin = r.margin && !msgpack }),
		"takes a target twice as one": after(func(r *revocationRequest, _ []byte, _ bool) {
			if len(r.targets) == 2 && r.targets[0] == r.targets[1] {
				r.targets = r.targets[:1]
			}
		}),
		"reads seconds":       after(func(r *revocationRequest, _ []byte, _ bool) { r.issuedBefore *= 1000 }),
		"drops the hundredth": after(func(r *revocationRequest, _ []byte, _ bool) { r.targets = r.targets[:min(len(r.targets), 99)] }),
		"trims targets":       after(func(r *revocationRequest, _ []byte, _ bool) { r.targets[0] = strings.TrimSpace(r.targets[0]) }),
		"refuses with another error": func(body []byte, msgpack bool) (*revocationRequest, error) {
			r, err := readRevocationBody(body, msgpack)
			if err != nil {
				err = engine.ErrIssuedBefore
			}
			return r, err
		},
	} {
		found := 0
		for _, s := range revokeBodySeeds() {
			if faultOf(read, s.body, s.msgpack) != nil {
				found++
			}
		}
		require.Positive(t, found, "a reader that %s is not found", name)
	}
	for _, s := range revokeBodySeeds() {
		require.NoError(t, faultOf(readRevocationBody, s.body, s.msgpack))
	}
}

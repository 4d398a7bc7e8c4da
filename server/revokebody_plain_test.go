package server

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"unicode/utf8"

	"portcullis/engine"
)

// A second reading of the body of revokeTokens, slow and plain: the body as a list
// of members, from JSON by encoding/json and from msgpack by its specification, and
// then what the list means. It shares no code with the reader that it is held
// against.

// plainMember is one member of the body. Its value is nil, a bool, a string, a
// json.Number, a *big.Int, a float64, a list of such, or strange.
type plainMember struct {
	name  string
	value any
}

// strange is a value that no member of a revocation has, whatever it holds.
type strange struct{}

// plainReading reads a body, JSON or msgpack.
func plainReading(body []byte, msgpack bool) (*revocationRequest, bool) {
	members, ok := plainMembers(body, msgpack)
	if !ok {
		return nil, false
	}
	return plainMeaning(members)
}

func plainMembers(body []byte, msgpack bool) ([]plainMember, bool) {
	if msgpack {
		return plainMsgpack(body)
	}
	return plainJSON(body)
}

// plainMeaning says what members ask for, and whether they may.
func plainMeaning(members []plainMember) (*revocationRequest, bool) {
	r, seen := new(revocationRequest), make(map[string]bool)
	for _, m := range members {
		if seen[m.name] {
			return nil, false
		}
		seen[m.name] = true
		switch m.name {
		case "targets":
			list, ok := m.value.([]any)
			if !ok {
				return nil, false
			}
			for _, v := range list {
				target, ok := v.(string)
				if !ok {
					return nil, false
				}
				r.targets = append(r.targets, target)
			}
		case "issuedBefore":
			if m.value == nil {
				continue
			}
			n := plainInteger(m.value)
			if n == nil || n.CmpAbs(big.NewInt(1<<53)) > 0 {
				return nil, false
			}
			r.hasIssuedBefore = true
			r.issuedBefore = engine.UnixMilli(n.Int64())
		case "allowReauthMargin":
			if m.value == nil {
				continue
			}
			margin, ok := m.value.(bool)
			if !ok {
				return nil, false
			}
			r.margin = margin
		default:
			return nil, false
		}
	}
	return r, 1 <= len(r.targets) && len(r.targets) <= 100
}

var plainDigits = regexp.MustCompile(`^-?[0-9]+$`)

// plainInteger returns the integer that a number stands for; nil when it is none.
// In JSON it must be spelt as one.
func plainInteger(v any) *big.Int {
	switch v := v.(type) {
	case json.Number:
		if !plainDigits.MatchString(v.String()) {
			return nil
		}
		n, _ := new(big.Int).SetString(v.String(), 10)
		return n
	case *big.Int:
		return v
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		if n, accuracy := big.NewFloat(v).Int(nil); accuracy == big.Exact {
			return n
		}
	}
	return nil
}

var (
	plainBackslashes = regexp.MustCompile(`\\\\`)
	plainPairs       = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)
	plainSurrogate   = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
)

// plainJSON reads an object. encoding/json replaces what is no text, broken UTF-8
// and half surrogates, so these are looked for before.
func plainJSON(body []byte) (members []plainMember, ok bool) {
	text := plainPairs.ReplaceAll(plainBackslashes.ReplaceAll(body, nil), nil)
	if !json.Valid(body) || !utf8.Valid(body) || plainSurrogate.Match(text) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if begin, _ := d.Token(); begin != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		name, _ := d.Token()
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, false
		}
		switch v := value.(type) {
		case map[string]any:
			value = strange{}
		case []any:
			for i := range v {
				if _, isString := v[i].(string); !isString {
					v[i] = strange{}
				}
			}
		}
		members = append(members, plainMember{name.(string), value})
	}
	return members, true
}

// plainMsgpack reads a map by https://github.com/msgpack/msgpack/blob/master/spec.md.
// Of maps, binary data and extensions inside it says only that they are strange,
// and reads no further: no body with them means anything.
func plainMsgpack(body []byte) (members []plainMember, ok bool) {
	p := plainPack{body: body, ok: true}
	size := -1
	switch c := p.take(1)[0]; {
	case c>>4 == 8:
		size = int(c & 15)
	case c == 0xde:
		size = p.size(2)
	case c == 0xdf:
		size = p.size(4)
	}
	for i := 0; i < size && p.ok; i++ {
		name, isString := p.value(0).(string)
		p.ok = p.ok && isString
		members = append(members, plainMember{name, p.value(0)})
	}
	return members, p.ok && size >= 0 && len(p.body) == 0
}

type plainPack struct {
	body []byte
	ok   bool
}

// take returns the next n bytes, zeros after the end.
func (p *plainPack) take(n int) []byte {
	if n > len(p.body) {
		p.ok, p.body = false, nil
		return make([]byte, min(n, 8))
	}
	taken := p.body[:n]
	p.body = p.body[n:]
	return taken
}

// size reads an unsigned number of that many bytes.
func (p *plainPack) size(bytes int) int {
	return int(binary.BigEndian.Uint64(append(make([]byte, 8-bytes), p.take(bytes)...)))
}

func (p *plainPack) text(n int) any {
	text := string(p.take(n))
	p.ok = p.ok && utf8.ValidString(text)
	return text
}

func (p *plainPack) list(n, depth int) any {
	list := []any{}
	for i := 0; i < n && p.ok && depth == 0; i++ {
		list = append(list, p.value(depth+1))
	}
	if depth > 0 {
		p.ok = false
	}
	return list
}

func (p *plainPack) value(depth int) any {
	c := p.take(1)[0]
	unsigned := func(bytes int) any { return new(big.Int).SetBytes(p.take(bytes)) }
	switch {
	case c < 0x80:
		return big.NewInt(int64(c))
	case c >= 0xe0:
		return big.NewInt(int64(int8(c)))
	case c>>4 == 9:
		return p.list(int(c&15), depth)
	case c>>5 == 5:
		return p.text(int(c & 31))
	}
	switch c {
	case 0xc0:
		return nil
	case 0xc2, 0xc3:
		return c == 0xc3
	case 0xca:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(p.take(4))))
	case 0xcb:
		return math.Float64frombits(binary.BigEndian.Uint64(p.take(8)))
	case 0xcc, 0xcd, 0xce, 0xcf:
		return unsigned(1 << (c - 0xcc))
	case 0xd0:
		return big.NewInt(int64(int8(p.take(1)[0])))
	case 0xd1:
		return big.NewInt(int64(int16(binary.BigEndian.Uint16(p.take(2)))))
	case 0xd2:
		return big.NewInt(int64(int32(binary.BigEndian.Uint32(p.take(4)))))
	case 0xd3:
		return big.NewInt(int64(binary.BigEndian.Uint64(p.take(8))))
	case 0xd9, 0xda, 0xdb:
		return p.text(p.size(1 << (c - 0xd9)))
	case 0xdc, 0xdd:
		return p.list(p.size(2<<(c-0xdc)), depth)
	}
	p.ok = false
	return strange{}
}

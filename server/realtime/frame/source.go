package frame

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"portcullis/internal/jsonscan"
	"portcullis/internal/msgpackscan"
)

// The two formats are told apart in this file only: above it there are members,
// elements and values.

// maxInteger is the largest integer that every reader of JSON takes for what it is
// (RFC 7493 §2.2).
const maxInteger = 1 << 53

// members reads the members of one map, whose names are distinct.
type members struct {
	format  Format
	json    jsonscan.Scanner
	msgpack msgpackscan.Scanner
}

func (m *members) reset(format Format, data []byte) {
	if m.format = format; format == JSON {
		m.json.Reset(data, maxNames)
	} else {
		m.msgpack.Reset(data, maxNames)
	}
}

func (m *members) resetTo(v value) { m.reset(v.format, v.raw()) }

func (m *members) next() bool {
	if m.format == JSON {
		return m.json.Next()
	}
	return m.msgpack.Next()
}

func (m *members) name() []byte {
	if m.format == JSON {
		return m.json.Name()
	}
	return m.msgpack.Name()
}

func (m *members) value() value {
	if m.format == JSON {
		return value{format: JSON, json: m.json.Value()}
	}
	return value{format: Msgpack, msgpack: m.msgpack.Value()}
}

func (m *members) err() error {
	if m.format == JSON {
		return m.json.Err()
	}
	return m.msgpack.Err()
}

// elements reads the elements of one array.
type elements struct {
	format  Format
	json    jsonscan.Elements
	msgpack msgpackscan.Elements
}

func (e *elements) resetTo(v value) {
	if e.format = v.format; e.format == JSON {
		e.json.Reset(v.json)
	} else {
		e.msgpack.Reset(v.msgpack)
	}
}

func (e *elements) next() (value, bool) {
	if e.format == JSON {
		v, ok := e.json.Next()
		return value{format: JSON, json: v}, ok
	}
	v, ok := e.msgpack.Next()
	return value{format: Msgpack, msgpack: v}, ok
}

func (e *elements) err() error {
	if e.format == JSON {
		return e.json.Err()
	}
	return e.msgpack.Err()
}

// value is one value, well-formed. The zero value is absent.
type value struct {
	format  Format
	json    jsonscan.Value
	msgpack []byte
}

func (v value) absent() bool { return v.json.Kind == jsonscan.None && v.msgpack == nil }

// raw returns the value as it stands in the frame; of a JSON string, what stands
// between the quotes.
func (v value) raw() []byte {
	if v.format == JSON {
		return v.json.Text
	}
	return v.msgpack
}

// isNull also finds what JavaScript encoders make of undefined.
func (v value) isNull() bool {
	if v.format == JSON {
		return v.json.Kind == jsonscan.Null
	}
	return msgp.IsNil(v.msgpack) || isUndefined(v.msgpack)
}

func isUndefined(v []byte) bool { return string(v) == "\xd4\x00\x00" }

func (v value) isObject() bool {
	if v.format == JSON {
		return v.json.Kind == jsonscan.Object
	}
	return msgp.NextType(v.msgpack) == msgp.MapType
}

func (v value) isArray() bool {
	if v.format == JSON {
		return v.json.Kind == jsonscan.Array
	}
	return msgp.NextType(v.msgpack) == msgp.ArrayType
}

// str returns what a string spells: UTF-8, and a view where that is possible.
func (v value) str() ([]byte, bool) {
	if v.format == JSON {
		if v.json.Kind != jsonscan.String {
			return nil, false
		}
		return v.json.Unescaped(), true
	}
	if msgp.NextType(v.msgpack) != msgp.StrType {
		return nil, false
	}
	text, _, err := msgp.ReadStringZC(v.msgpack)
	return text, err == nil && utf8.Valid(text)
}

// binary returns the bytes of a msgpack bin.
func (v value) binary() ([]byte, bool) {
	if v.format == JSON || msgp.NextType(v.msgpack) != msgp.BinType {
		return nil, false
	}
	b, _, err := msgp.ReadBytesZC(v.msgpack)
	return b, err == nil
}

// integer returns the value of a number that is an integer from 0 to 2^53, however
// it is written.
func (v value) integer() (int64, bool) {
	if v.format == JSON {
		if v.json.Kind != jsonscan.Number {
			return 0, false
		}
		if n, err := strconv.ParseInt(string(v.json.Text), 10, 64); err == nil {
			return n, 0 <= n && n <= maxInteger
		}
		n, err := strconv.ParseFloat(string(v.json.Text), 64)
		return integral(n, err)
	}
	switch msgp.NextType(v.msgpack) {
	case msgp.IntType:
		n, _, err := msgp.ReadInt64Bytes(v.msgpack)
		return n, err == nil && 0 <= n && n <= maxInteger
	case msgp.UintType:
		n, _, err := msgp.ReadUint64Bytes(v.msgpack)
		return int64(n), err == nil && n <= maxInteger
	case msgp.Float32Type, msgp.Float64Type:
		n, _, err := msgp.ReadFloat64Bytes(v.msgpack)
		return integral(n, err)
	}
	return 0, false
}

func integral(n float64, err error) (int64, bool) {
	if err != nil || n != math.Trunc(n) || n < 0 || n > maxInteger {
		return 0, false
	}
	return int64(n), true
}

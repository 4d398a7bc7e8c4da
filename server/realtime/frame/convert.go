package frame

import (
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"portcullis/internal/jsonscan"
	"portcullis/internal/msgpackscan"
)

// Values that pass through the server, such as extras, are kept as JSON and written
// in the receiver's format. Nothing is lost on the way: integers of up to 64 bits
// stay what they are, other numbers are IEEE 754 doubles, as JavaScript has them.
// What JSON cannot say (binary, extensions, names that are not strings or are
// repeated, infinities) is refused when it is read.

// wholeValue returns the value that data is.
func wholeValue(format Format, data []byte) (value, bool) {
	if format == Msgpack {
		rest, err := msgpackscan.Skip(data)
		return value{format: Msgpack, msgpack: data}, err == nil && len(rest) == 0
	}
	v, err := jsonscan.ReadValue(data)
	return value{format: JSON, json: v}, err == nil
}

// appendJSON appends v to dst as compact JSON.
func appendJSON(dst []byte, v value) ([]byte, bool) {
	if v.format == JSON {
		switch {
		case v.json.Duplicate:
			return dst, false
		case v.json.Kind == jsonscan.String:
			return append(append(append(dst, '"'), v.json.Text...), '"'), true
		}
		return appendCompact(dst, v.json.Text)
	}
	return appendJSONOf(dst, v.msgpack)
}

// appendCompact appends JSON without the white space between its parts. It says
// whether every number is one that a double can hold.
func appendCompact(dst, text []byte) (out []byte, ok bool) {
	for i := 0; i < len(text); {
		from := i
		switch c := text[i]; {
		case c == ' ', c == '\t', c == '\n', c == '\r':
			i++
			continue
		case c == '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			i++
		case c == '-', '0' <= c && c <= '9':
			for i++; i < len(text) && partOfNumber(text[i]); i++ {
			}
			if _, err := strconv.ParseFloat(string(text[from:i]), 64); err != nil {
				return dst, false
			}
		default:
			i++
		}
		dst = append(dst, text[from:i]...)
	}
	return dst, true
}

func partOfNumber(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'
}

func appendJSONOf(dst, v []byte) (out []byte, ok bool) {
	switch msgp.NextType(v) {
	case msgp.MapType:
		var m msgpackscan.Scanner
		dst = append(dst, '{')
		for m.Reset(v, 0); m.Next(); {
			dst = comma(dst, '{')
			dst = append(jsonscan.AppendQuoted(dst, m.Name()), ':')
			if dst, ok = appendJSONOf(dst, m.Value()); !ok {
				return dst, false
			}
		}
		return append(dst, '}'), m.Err() == nil
	case msgp.ArrayType:
		var e msgpackscan.Elements
		dst = append(dst, '[')
		e.Reset(v)
		for element, more := e.Next(); more; element, more = e.Next() {
			dst = comma(dst, '[')
			if dst, ok = appendJSONOf(dst, element); !ok {
				return dst, false
			}
		}
		return append(dst, ']'), e.Err() == nil
	case msgp.StrType:
		text, _, err := msgp.ReadStringZC(v)
		return jsonscan.AppendQuoted(dst, text), err == nil && utf8.Valid(text)
	case msgp.BoolType:
		b, _, err := msgp.ReadBoolBytes(v)
		return strconv.AppendBool(dst, b), err == nil
	case msgp.IntType:
		n, _, err := msgp.ReadInt64Bytes(v)
		return strconv.AppendInt(dst, n, 10), err == nil
	case msgp.UintType:
		n, _, err := msgp.ReadUint64Bytes(v)
		return strconv.AppendUint(dst, n, 10), err == nil
	case msgp.Float32Type, msgp.Float64Type:
		n, _, err := msgp.ReadFloat64Bytes(v)
		return appendFloat(dst, n), err == nil && !math.IsInf(n, 0) && !math.IsNaN(n)
	case msgp.NilType:
		return append(dst, "null"...), true
	}
	if isUndefined(v) {
		return append(dst, "null"...), true // as JSON.stringify writes it in an array
	}
	return dst, false
}

// comma appends the comma before every element but the first after open.
func comma(dst []byte, open byte) []byte {
	if dst[len(dst)-1] == open {
		return dst
	}
	return append(dst, ',')
}

// appendFloat appends the shortest text that reads as n.
func appendFloat(dst []byte, n float64) []byte {
	if n != 0 && (math.Abs(n) < 1e-6 || math.Abs(n) >= 1e21) {
		return strconv.AppendFloat(dst, n, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, n, 'f', -1, 64)
}

// appendMsgpack appends v, which is JSON, to dst as msgpack.
func appendMsgpack(dst []byte, v jsonscan.Value) []byte {
	switch v.Kind {
	case jsonscan.Object:
		at, n := len(dst), uint32(0)
		dst = append(dst, 0)
		var s jsonscan.Scanner
		for s.Reset(v.Text, 0); s.Next(); n++ {
			dst = msgp.AppendStringFromBytes(dst, s.Name())
			dst = appendMsgpack(dst, s.Value())
		}
		return putHeader(dst, at, msgp.AppendMapHeader, n)
	case jsonscan.Array:
		at, n := len(dst), uint32(0)
		dst = append(dst, 0)
		e := jsonscan.In(v)
		for element, ok := e.Next(); ok; element, ok = e.Next() {
			dst = appendMsgpack(dst, element)
			n++
		}
		return putHeader(dst, at, msgp.AppendArrayHeader, n)
	case jsonscan.String:
		return msgp.AppendStringFromBytes(dst, v.Unescaped())
	case jsonscan.Number:
		return appendMsgpackNumber(dst, string(v.Text))
	case jsonscan.True, jsonscan.False:
		return msgp.AppendBool(dst, v.Kind == jsonscan.True)
	}
	return msgp.AppendNil(dst)
}

// putHeader puts the header of n members or elements in the place of the byte at
// that index.
func putHeader(dst []byte, at int, header func([]byte, uint32) []byte, n uint32) []byte {
	var buffer [5]byte
	return slices.Replace(dst, at, at+1, header(buffer[:0], n)...)
}

func appendMsgpackNumber(dst []byte, text string) []byte {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && text != "-0" {
		return msgp.AppendInt64(dst, n)
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return msgp.AppendUint64(dst, n)
	}
	n, _ := strconv.ParseFloat(text, 64)
	return msgp.AppendFloat64(dst, n)
}

package frame

import (
	"encoding/base64"
	"strconv"

	"github.com/tinylib/msgp/msgp"

	"portcullis/engine"
	"portcullis/internal/jsonscan"
)

// writer appends maps and arrays in one of the formats. A map has at most 15 members,
// so that its msgpack header is one byte, which counts them as they come; maps that
// may have more are begun with their number.
type writer struct {
	dst    []byte
	format Format
}

// object is a map that is being written: where it begins.
type object int

const fixmap = 0x80 // header of an empty msgpack map

func (w *writer) open() object {
	if w.format == JSON {
		w.dst = append(w.dst, '{')
	} else {
		w.dst = append(w.dst, fixmap)
	}
	return object(len(w.dst) - 1)
}

func (w *writer) close() {
	if w.format == JSON {
		w.dst = append(w.dst, '}')
	}
}

// name begins a member of o. Names are ASCII without anything to escape.
func (w *writer) name(o object, name string) {
	if w.format == Msgpack {
		w.dst[o]++
		w.dst = msgp.AppendString(w.dst, name)
		return
	}
	if w.dst[len(w.dst)-1] != '{' {
		w.dst = append(w.dst, ',')
	}
	w.dst = append(w.dst, '"')
	w.dst = append(w.dst, name...)
	w.dst = append(w.dst, '"', ':')
}

func (w *writer) integer(o object, name string, n int64) {
	w.name(o, name)
	if w.format == JSON {
		w.dst = strconv.AppendInt(w.dst, n, 10)
	} else {
		w.dst = msgp.AppendInt64(w.dst, n)
	}
}

func (w *writer) string(o object, name, text string) {
	w.name(o, name)
	w.bareString(text)
}

func (w *writer) bareString(text string) {
	if w.format == JSON {
		w.dst = jsonscan.AppendQuoted(w.dst, text)
	} else {
		w.dst = msgp.AppendString(w.dst, text)
	}
}

func (w *writer) text(o object, name string, text []byte) {
	w.name(o, name)
	w.bareText(text)
}

func (w *writer) bareText(text []byte) {
	if w.format == JSON {
		w.dst = jsonscan.AppendQuoted(w.dst, text)
	} else {
		w.dst = msgp.AppendStringFromBytes(w.dst, text)
	}
}

// optional writes a string that is not empty.
func (w *writer) optional(o object, name, text string) {
	if text != "" {
		w.string(o, name, text)
	}
}

// binary writes bytes; in JSON as base64, which the encoding must say.
func (w *writer) binary(o object, name string, b []byte) {
	w.name(o, name)
	if w.format == Msgpack {
		w.dst = msgp.AppendBytes(w.dst, b)
		return
	}
	w.dst = append(w.dst, '"')
	w.dst = base64.StdEncoding.AppendEncode(w.dst, b)
	w.dst = append(w.dst, '"')
}

// array begins an array of n elements; between them goes next, behind them end.
func (w *writer) array(n int) {
	if w.format == JSON {
		w.dst = append(w.dst, '[')
	} else {
		w.dst = msgp.AppendArrayHeader(w.dst, uint32(n))
	}
}

func (w *writer) next(i int) {
	if w.format == JSON && i > 0 {
		w.dst = append(w.dst, ',')
	}
}

func (w *writer) end() {
	if w.format == JSON {
		w.dst = append(w.dst, ']')
	}
}

// error writes an ErrorInfo (TI1), none if it is nil.
func (w *writer) error(o object, info *engine.ErrorInfo) {
	if info == nil {
		return
	}
	w.name(o, "error")
	e := w.open()
	w.integer(e, "code", int64(info.Code))
	w.integer(e, "statusCode", int64(info.StatusCode))
	w.string(e, "message", info.Message)
	var buffer [64]byte
	w.text(e, "href", strconv.AppendInt(append(buffer[:0], "https://help.ably.io/error/"...), int64(info.Code), 10))
	w.close()
}

func (w *writer) params(params []Param) {
	if w.format == JSON {
		w.dst = append(w.dst, '{')
	} else {
		w.dst = msgp.AppendMapHeader(w.dst, uint32(len(params)))
	}
	for i, p := range params {
		w.next(i)
		w.bareText(p.Name)
		if w.format == JSON {
			w.dst = append(w.dst, ':')
		}
		w.bareText(p.Value)
	}
	w.close()
}

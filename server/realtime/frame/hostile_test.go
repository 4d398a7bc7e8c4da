package frame

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"portcullis/engine"
)

// A frame of the largest size, whatever its shape, costs no more than some times its
// size in memory, and nothing of it is kept for the next frame.
func TestHostileFramesCostLittle(t *testing.T) {
	const most = 32 * MaxFrameBytes
	fill := func(head, part, tail string) []byte {
		n := (MaxFrameBytes - len(head) - len(tail)) / len(part)
		return []byte(head + strings.Repeat(part, n) + tail)
	}
	names := func(head, tail string) []byte { // distinct, and not in order
		b := []byte(head)
		for i := 0; len(b) < MaxFrameBytes-len(tail)-32; i++ {
			b = fmt.Appendf(b, `"%x":0,`, uint32(i)*2654435761)
		}
		return append(b, tail...)
	}
	packedNames := msgp.AppendMapHeader(nil, 0xffff)
	for i := range 0xffff {
		packedNames = append(append(packedNames, 0xa3), byte(i), byte(i>>8)&0x7f, byte(i>>15))
		packedNames[len(packedNames)-3] &= 0x7f
		packedNames = append(packedNames, 0)
	}
	tests := map[string]struct {
		format Format
		data   []byte
		err    error // of Read
		inside error // Frame.Err
	}{
		"names":                 {JSON, names(`{"action":0,`, `"z":0}`), engine.ErrFrame, nil},
		"names of extras":       {JSON, names(`{"action":15,"messages":[{"extras":{`, `"z":0}}]}`), engine.ErrFrame, nil},
		"names, the same":       {JSON, fill(`{"action":0,`, `"a":0,`, `"z":0}`), engine.ErrFrame, nil},
		"names in msgpack":      {Msgpack, packedNames, engine.ErrFrame, nil},
		"brackets":              {JSON, fill(`{"action":0,"a":`, `[`, ``), engine.ErrFrame, nil},
		"empty messages":        {JSON, fill(`{"action":15,"messages":[`, `{},`, `{}]}`), nil, engine.ErrMessage},
		"empty messages packed": {Msgpack, append([]byte("\x82\xa6action\x0f\xa8messages\xdc\xff\xff"), bytes.Repeat([]byte{0x80}, 0xffff)...), nil, engine.ErrMessage},
		"escapes":               {JSON, fill(`{"action":15,"messages":[{"data":"`, `\u0000`, `"}]}`), nil, engine.ErrMessageSize},
		"controls in extras":    {Msgpack, append([]byte("\x82\xa6action\x0f\xa8messages\x91\x81\xa6extras\x81\xa1a\xdb\x00\x07\x00\x00"), make([]byte, 7<<16)...), nil, engine.ErrMessageSize},
		"elements of data":      {JSON, fill(`{"action":15,"messages":[{"data":[`, `[],`, `[]]}]}`), nil, engine.ErrMessageSize},
		"digits":                {JSON, fill(`{"action":15,"msgSerial":`, `9`, `}`), engine.ErrFrame, nil},
		"digits of extras":      {JSON, fill(`{"action":15,"messages":[{"extras":{"a":0.`, `9`, `}}]}`), nil, engine.ErrMessageSize},
		"params":                {JSON, fill(`{"action":10,"channel":"c","params":{"a":"`, `a`, `"}}`), nil, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.LessOrEqual(t, len(test.data), MaxFrameBytes)
			var f Frame
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := Read(&f, test.format, test.data)
			runtime.ReadMemStats(&after)
			require.Equal(t, test.err, err)
			require.Equal(t, test.inside, f.Err)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(most))
			require.NoError(t, Read(&f, JSON, []byte(`{"action":0}`)))
			require.Equal(t, 0, cap(f.Params))
			one := Frame{}
			require.NoError(t, Read(&one, JSON, []byte(`{"action":0}`)))
			require.Equal(t, one, f, "as one that has read nothing else")
		})
	}
}

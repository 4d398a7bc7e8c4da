package server

import (
	"errors"

	"github.com/tinylib/msgp/msgp"
)

// errMsgpack is why a body is no map as readMap wants it.
var errMsgpack = errors.New("server: not a msgpack map with distinct string keys")

// readMap reads a map with string keys, none of them twice, at the beginning of
// body. For each member it calls read with the name and what stands from its value
// on; read returns what stands behind the value. readMap returns what stands
// behind the map, or the first error of read as it is.
func readMap(body []byte, maxMembers uint32, read func(name string, value []byte) (rest []byte, err error)) (rest []byte, err error) {
	size, rest, err := msgp.ReadMapHeaderBytes(body)
	if err != nil || size > maxMembers {
		return nil, errMsgpack
	}
	seen := make(map[string]bool)
	for range size {
		var name []byte
		if name, rest, err = msgp.ReadStringZC(rest); err != nil || seen[string(name)] {
			return nil, errMsgpack
		}
		seen[string(name)] = true
		if rest, err = read(string(name), rest); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

package capability

import "math/rand/v2"

// shape is what of a path can be compared at once: a byte for each of its first
// eight segments. Two capabilities of hundreds of resources are compared pair by
// pair, and nearly every pair is told apart by its shapes
// (BenchmarkCheckIntersection/resources=1024).
type shape struct {
	segments uint64 // a hash of each segment
	literal  uint64 // 0xff where there is a segment and it is no wildcard
}

func shapeOf(path []byte) (s shape) {
	for shift, more := 0, true; more && shift < 64; shift += 8 {
		var segment []byte
		if segment, path, more = cutSegment(path); isStar(segment) {
			continue
		}
		s.segments |= uint64(hashSegment(segment)) << shift
		s.literal |= 0xff << shift
	}
	return s
}

// shapeSeed makes it impossible to choose segments that differ and look alike.
var shapeSeed = rand.Uint32()

func hashSegment(segment []byte) byte {
	h := shapeSeed
	for _, c := range segment {
		h = (h ^ uint32(c)) * 0x9e3779b1
		h ^= h >> 15
	}
	return byte(h >> 24)
}

// mayMeet is false only when a segment that is literal in both differs.
func (s shape) mayMeet(other shape) bool {
	return (s.segments^other.segments)&s.literal&other.literal == 0
}

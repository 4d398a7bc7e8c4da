package engine

import (
	"crypto/sha256"
	"sync"

	"portcullis/capability"
)

// effective is a capability in force: what a key grants, or what a token and its
// key have in common. It is immutable.
type effective struct {
	set     *capability.Set
	matcher *capability.Matcher
	text    string // canonical
	hash    [8]byte
}

func newEffective(set *capability.Set) *effective {
	e := &effective{set: set, matcher: set.Compile(), text: set.String()}
	sum := sha256.Sum256([]byte(e.text))
	copy(e.hash[:], sum[:])
	return e
}

// size estimates the memory that an effective capability holds: its text, the
// Set's copy of it, and the Matcher's maps.
func (e *effective) size() int64 { return int64(4*len(e.text) + 128*e.set.Len() + 256) }

// internTable shares the effective capabilities of one key among its tokens, by
// the text they were minted with: services mint a few texts for many clients.
type internTable struct {
	mu     sync.Mutex
	byText map[internKey]*effective
	bytes  int64
}

// maxInternedBytes bounds the table of one key. When it is full it starts anew:
// the cost is to compile again what is still in use.
const maxInternedBytes = 1 << 20

// internKey is what makes two tokens of one key grant the same.
type internKey struct {
	text    string // of the claimed capability, in the token
	settled bool
}

// get returns the effective capability of g, and whether it was made just now.
func (t *internTable) get(g *verified) (e *effective, made bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e = t.byText[internKey{string(g.claimedText), g.settled}]; e != nil {
		return e, false
	}
	e = newEffective(g.common())
	cost := e.size() + int64(len(g.claimedText))
	if t.byText == nil || t.bytes+cost > maxInternedBytes {
		t.byText, t.bytes = make(map[internKey]*effective), 0
	}
	t.byText[internKey{string(g.claimedText), g.settled}] = e
	t.bytes += cost
	return e, true
}

package engine

import (
	"sync"

	"portcullis/capability"
)

// effective is a capability in force: what a key grants, or what a token and its
// key have in common. It is immutable.
type effective struct {
	set     *capability.Set
	matcher *capability.Matcher
	text    string // canonical
}

func newEffective(set *capability.Set) *effective {
	return &effective{set: set, matcher: set.Compile(), text: set.String()}
}

// size estimates the memory that an effective capability holds: its text, the
// Set's copy of it, and the Matcher's maps.
func (e *effective) size() int64 { return int64(4*len(e.text) + 128*e.set.Len() + 256) }

// internTable shares the effective capabilities of one key among its tokens, by
// the text they were minted with: services mint a few texts for many clients.
type internTable struct {
	mu     sync.Mutex
	byText map[string]*effective
	bytes  int64
}

// maxInternedBytes bounds the table of one key. When it is full it starts anew:
// the cost is to compile again what is still in use.
const maxInternedBytes = 1 << 20

// get returns the effective capability of the claimed one, whose text in the
// token is text, and whether it was made just now.
func (t *internTable) get(text []byte, claimed, key *capability.Set) (e *effective, made bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e = t.byText[string(text)]; e != nil {
		return e, false
	}
	e = newEffective(capability.Intersect(claimed, key))
	cost := e.size() + int64(len(text))
	if t.byText == nil || t.bytes+cost > maxInternedBytes {
		t.byText, t.bytes = make(map[string]*effective), 0
	}
	t.byText[string(text)] = e
	t.bytes += cost
	return e, true
}

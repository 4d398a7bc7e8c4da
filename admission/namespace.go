package admission

import (
	"bytes"

	"portcullis/capability"
)

// IdentifiedNamespace is the namespace that is for identified clients without
// being configured.
const IdentifiedNamespace = "identified"

// Namespaces are the namespaces of one app that ask something of clients. They
// are immutable; nil has only what is built in.
type Namespaces struct{ identified map[string]struct{} }

// NewNamespaces returns Namespaces of which those named are for identified
// clients.
func NewNamespaces(identified ...string) *Namespaces {
	n := &Namespaces{make(map[string]struct{}, len(identified))}
	for _, name := range identified {
		n.identified[name] = struct{}{}
	}
	return n
}

// needIdentity says whether a channel is for identified clients. Its namespace is
// its first segment, also when that is all. Only channels have namespaces.
func (n *Namespaces) needIdentity(r capability.Resource) bool {
	if r.Qualifier != capability.Channel {
		return false
	}
	name, _, _ := bytes.Cut(r.Path, []byte{':'})
	if string(name) == IdentifiedNamespace {
		return true
	}
	if n == nil {
		return false
	}
	_, ok := n.identified[string(name)]
	return ok
}

// SetNamespaces makes n what the Session's app asks for, from now on.
func (s *Session) SetNamespaces(n *Namespaces) { s.namespaces = n }

package capability

// Op is a set of operations, one bit each.
type Op uint32

// The operations of Ably capabilities, in the order in which canonical text
// lists them.
const (
	AnnotationPublish Op = 1 << iota
	AnnotationSubscribe
	ChannelMetadata
	History
	MessageDeleteAny
	MessageDeleteOwn
	MessageUpdateAny
	MessageUpdateOwn
	ObjectPublish
	ObjectSubscribe
	Presence
	PrivilegedHeaders
	Publish
	PushAdmin
	PushSubscribe
	Stats
	Subscribe
	wildcard

	// All is what "*" grants: every operation, those of the future included, so
	// it is more than the union of the operations above.
	All = wildcard<<1 - 1
)

var opNames = [...]string{
	"annotation-publish", "annotation-subscribe", "channel-metadata", "history",
	"message-delete-any", "message-delete-own", "message-update-any", "message-update-own",
	"object-publish", "object-subscribe", "presence", "privileged-headers", "publish",
	"push-admin", "push-subscribe", "stats", "subscribe",
}

// ParseOp returns the operation of that name, 0 when there is none. The name
// "*" is [All].
func ParseOp(name []byte) Op {
	if len(name) == 1 && name[0] == '*' {
		return All
	}
	for i, known := range opNames {
		if string(name) == known {
			return 1 << i
		}
	}
	return 0
}

// OpNames returns the names of all operations, sorted, "*" not among them.
func OpNames() []string { return append([]string(nil), opNames[:]...) }

// String returns the operations' names joined by commas, "*" for [All].
func (o Op) String() string {
	var text []byte
	o.each(func(name string) {
		if len(text) > 0 {
			text = append(text, ',')
		}
		text = append(text, name...)
	})
	return string(text)
}

// each calls f with the names of the operations, sorted.
func (o Op) each(f func(name string)) {
	if o&wildcard != 0 {
		f("*")
		return
	}
	for i, name := range opNames {
		if o&(1<<i) != 0 {
			f(name)
		}
	}
}

// appendJSON appends the operations as a JSON array.
func (o Op) appendJSON(dst []byte) []byte {
	if o&wildcard != 0 {
		return append(dst, `["*"]`...)
	}
	open := byte('[')
	for i, name := range opNames {
		if o&(1<<i) != 0 {
			dst = append(dst, open, '"')
			dst = append(dst, name...)
			dst = append(dst, '"')
			open = ','
		}
	}
	return append(dst, ']')
}

// jsonSize returns how many bytes appendJSON appends.
func (o Op) jsonSize() int {
	if o&wildcard != 0 {
		return len(`["*"]`)
	}
	size := 1
	for i, name := range opNames {
		if o&(1<<i) != 0 {
			size += len(name) + len(`"",`)
		}
	}
	return size
}

package frame

import "portcullis/fanout"

// Size returns how large a publish is, in bytes, as maxMessageSize counts it (TO3l8):
// names, clientIds, data (of binary data the bytes, not their base64) and extras as
// JSON, of all items together.
func Size(items []fanout.Item) int {
	n := 0
	for i := range items {
		n += sizeOf(&items[i])
	}
	return n
}

func sizeOf(i *fanout.Item) int {
	return len(i.Name) + len(i.ClientID) + len(i.Data.Bytes) + len(i.Extras)
}

// syncItems is how many members one SYNC carries at most.
const syncItems = 100

// SyncPage returns how many of the members the next SYNC can carry: 1 at least if
// there are any, and no more than fit into a frame.
func SyncPage(members []fanout.Item) int {
	n, size := 0, 0
	for n < min(len(members), syncItems) {
		size += sizeOf(&members[n])
		if n > 0 && size > MaxMessageBytes {
			break
		}
		n++
	}
	return n
}

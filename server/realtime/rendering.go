package realtime

import (
	"bytes"
	"sync"
	"sync/atomic"

	"portcullis/fanout"
	"portcullis/server/realtime/frame"
)

// sharedText is the text of a frame that waits in the queues of many clients.
type sharedText struct {
	text   []byte
	queues atomic.Int32
}

// hold says that it waits in another queue. What waits is counted once.
func (t *sharedText) hold(all *atomic.Int64) {
	if t.queues.Add(1) == 1 {
		all.Add(int64(len(t.text)))
	}
}

// drop takes hold back.
func (t *sharedText) drop(all *atomic.Int64) {
	if t.queues.Add(-1) == 0 {
		all.Add(-int64(len(t.text)))
	}
}

// renderings keeps the frames that were made last. An event goes to everybody who is
// attached, most of whom name the channel alike, so one frame does for all of them.
type renderings [32]rendering

// rendering is one of them.
type rendering struct {
	mu      sync.Mutex
	event   *fanout.Event
	format  frame.Format
	channel []byte
	made    *sharedText
}

// of returns the frame of an event for a client that names its channel so.
func (r *renderings) of(log *channelLog, f frame.Format, channel []byte, e *fanout.Event) *sharedText {
	return r[(log.number*uint64(frame.Formats)+uint64(f))%uint64(len(r))].of(f, channel, e)
}

func (r *rendering) of(f frame.Format, channel []byte, e *fanout.Event) *sharedText {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.event != e || r.format != f || !bytes.Equal(r.channel, channel) {
		r.event, r.format, r.channel = e, f, append(r.channel[:0], channel...)
		r.made = &sharedText{text: frame.AppendEvent(nil, f, channel, e)}
	}
	return r.made
}

package realtime

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"portcullis/engine"
	"portcullis/fanout"
)

// Limits on what is kept of channels for clients that come back.
const (
	maxLogEvents    = 1000      // of one channel
	maxLogBytes     = 1 << 20   // of one channel
	maxAllLogsBytes = 256 << 20 // of all channels
	// From sharedLogsBytes of all channels on, none keeps more than its share of them:
	// who fills many takes little from the others.
	sharedLogsBytes = maxAllLogsBytes / 2
	eventOverhead   = 256 // bytes that an event costs beside its items
)

// logs are the logs of the channels that connections are attached to.
type logs struct {
	fanout fanout.Fanout
	bytes  atomic.Int64
	count  atomic.Int64 // of the logs

	mu     sync.Mutex
	made   uint64 // logs so far
	byName map[fanout.Channel]*channelLog
}

// channelLog is the last events of one channel, for as long as a connection, with a
// WebSocket or without, is attached to it.
type channelLog struct {
	logs       *logs
	name       fanout.Channel
	number     uint64
	references int // under logs.mu

	ready  sync.Once
	cancel func()
	err    error

	mu     sync.Mutex
	after  string // the serial behind which nothing is missing
	events []*fanout.Event
	bytes  int64
}

// retain returns the log of a channel; whoever has it must release it. The log
// holds every event that comes after retain has returned.
func (l *logs) retain(name fanout.Channel) (*channelLog, error) {
	l.mu.Lock()
	log := l.byName[name]
	if log == nil {
		if l.byName == nil {
			l.byName = make(map[fanout.Channel]*channelLog)
		}
		l.made++
		log = &channelLog{logs: l, name: name, number: l.made}
		l.byName[name] = log
		l.count.Add(1)
	}
	log.references++
	l.mu.Unlock()
	// Not under the lock of all channels, and by whoever comes first.
	log.ready.Do(log.begin)
	if log.err != nil {
		l.release(log)
		return nil, log.err
	}
	return log, nil
}

func (l *logs) release(log *channelLog) {
	l.mu.Lock()
	log.references--
	last := log.references == 0
	if last {
		delete(l.byName, log.name)
		l.count.Add(-1)
	}
	l.mu.Unlock()
	if last {
		log.close()
	}
}

func (log *channelLog) begin() {
	log.mu.Lock()
	defer log.mu.Unlock()
	subscription, err := log.logs.fanout.Subscribe(log.name, log.add)
	if err != nil {
		log.err = err
		return
	}
	log.after, log.cancel = subscription.Serial, subscription.Cancel
}

// add adds an event and forgets what is too old or too much.
func (log *channelLog) add(e *fanout.Event) {
	log.mu.Lock()
	defer log.mu.Unlock()
	log.events = append(log.events, e)
	log.count(sizeOf(e))
	oldest := engine.UnixMilli(e.Timestamp).Add(-StateTTL)
	for len(log.events) > 0 && (log.full() || engine.UnixMilli(log.events[0].Timestamp) < oldest) {
		log.after = log.events[0].Serial
		log.count(-sizeOf(log.events[0]))
		log.events[0] = nil
		log.events = log.events[1:]
	}
}

// full says whether the log holds more than it may.
func (log *channelLog) full() bool {
	if len(log.events) > maxLogEvents || log.bytes > maxLogBytes {
		return true
	}
	all := log.logs.bytes.Load()
	return all > maxAllLogsBytes || all > sharedLogsBytes && log.bytes > sharedLogsBytes/log.logs.count.Load()
}

func (log *channelLog) count(bytes int64) {
	log.bytes += bytes
	log.logs.bytes.Add(bytes)
}

// close forgets everything.
func (log *channelLog) close() {
	if log.cancel != nil {
		log.cancel()
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	log.events = nil
	log.count(-log.bytes)
}

// between returns the events behind the serial after, up to and with the serial
// last. ok says that none of them is missing.
func (log *channelLog) between(after, last string) (events []*fanout.Event, ok bool) {
	events, ok = log.since(after)
	for len(events) > 0 && events[len(events)-1].Serial > last {
		events = events[:len(events)-1]
	}
	return events, ok && after <= last
}

// since returns the events behind the serial after. ok says that none of them is
// missing.
func (log *channelLog) since(after string) (events []*fanout.Event, ok bool) {
	log.mu.Lock()
	defer log.mu.Unlock()
	from := sort.Search(len(log.events), func(i int) bool { return log.events[i].Serial > after })
	return slices.Clone(log.events[from:]), after >= log.after
}

// newest returns the serial of the last event.
func (log *channelLog) newest() string {
	log.mu.Lock()
	defer log.mu.Unlock()
	if n := len(log.events); n > 0 {
		return log.events[n-1].Serial
	}
	return log.after
}

func sizeOf(e *fanout.Event) int64 {
	size := eventOverhead
	for i := range e.Items {
		size += e.Items[i].Bytes()
	}
	return int64(size)
}

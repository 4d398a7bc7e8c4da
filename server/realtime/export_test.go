package realtime

// Limits that tests must reach.
const (
	MaxAnswers        = maxAnswers
	MaxIdleInterval   = maxIdleInterval
	MaxInboundRate    = maxInboundRate
	MaxAuthRate       = maxAuthRate
	MaxLogEvents      = maxLogEvents
	MaxLogBytes       = maxLogBytes
	MaxQueuedBytes    = maxQueuedBytes
	MaxAllQueuedBytes = maxAllQueuedBytes
	PresenceGrace     = presenceGrace
	SilenceBeforeLost = silence
)

// Kept is what a Hub holds in memory.
type Kept struct {
	Connections int   // with a WebSocket or without
	Live        int   // with a WebSocket
	Logs        int   // of channels
	LogBytes    int64 // of all of them
}

// Kept returns what h holds now.
func (h *Hub) Kept() (k Kept) {
	h.mu.Lock()
	k.Connections = len(h.connections)
	h.mu.Unlock()
	h.logs.mu.Lock()
	k.Logs = len(h.logs.byName)
	h.logs.mu.Unlock()
	k.Live, k.LogBytes = h.live.Len(), h.logs.bytes.Load()
	return k
}

// Queued returns how many bytes wait for all clients.
func (h *Hub) Queued() int64 { return h.queued.Load() }

// Queue has so many bytes more wait for other clients.
func (h *Hub) Queue(bytes int64) { h.queued.Add(bytes) }

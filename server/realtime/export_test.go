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
	MaxAllMemberBytes = maxAllMemberBytes
	PresenceGrace     = presenceGrace
	SilenceBeforeLost = silence
)

// Kept is what a Hub holds in memory.
type Kept struct {
	Connections int   // with a WebSocket or without
	Live        int   // with a WebSocket
	Logs        int   // of channels
	LogBytes    int64 // of all of them
	Away        int   // without a WebSocket
	MemberBytes int64 // of those that connections have entered
}

// Kept returns what h holds now.
func (h *Hub) Kept() (k Kept) {
	h.mu.Lock()
	k.Connections = len(h.connections)
	h.mu.Unlock()
	h.logs.mu.Lock()
	k.Logs = len(h.logs.byName)
	h.logs.mu.Unlock()
	h.away.mu.Lock()
	k.Away = h.away.count
	h.away.mu.Unlock()
	k.Live, k.LogBytes, k.MemberBytes = h.live.Len(), h.logs.bytes.Load(), h.members.Load()
	return k
}

// KeepAway has h keep so many connections without a WebSocket.
func (h *Hub) KeepAway(max int) { h.away.max = max }

// Enter has the members of other connections take so many bytes more.
func (h *Hub) Enter(bytes int64) { h.members.Add(bytes) }

// Queued returns how many bytes wait for all clients.
func (h *Hub) Queued() int64 { return h.queued.Load() }

// Queue has so many bytes more wait for other clients.
func (h *Hub) Queue(bytes int64) { h.queued.Add(bytes) }

package realtime

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/fanout"
	"portcullis/fanout/memory"
)

var errFanout = errors.New("the fan-out is not there")

// brokenFanout fails every subscription after the first few.
type brokenFanout struct {
	fanout.Fanout
	works int
}

func (f *brokenFanout) Subscribe(c fanout.Channel, deliver func(*fanout.Event)) (*fanout.Subscription, error) {
	if f.works--; f.works < 0 {
		return nil, errFanout
	}
	return f.Fanout.Subscribe(c, deliver)
}

// logOf returns the log of a channel of l.
func logOf(t *testing.T, l *logs, name string) *channelLog {
	t.Helper()
	log, err := l.retain(fanout.Channel{App: "app", Resource: name})
	require.NoError(t, err)
	return log
}

// fill publishes events of about so many bytes each, as sizeOf counts them, and a
// few more. They share their data.
func fill(t *testing.T, l *logs, name string, events, bytes int, at engine.UnixMilli) {
	t.Helper()
	data := make([]byte, bytes-eventOverhead-256)
	for range events {
		e := &fanout.Event{Channel: fanout.Channel{App: "app", Resource: name}, Timestamp: int64(at), Items: []fanout.Item{{Data: fanout.Data{Bytes: data}}}}
		require.NoError(t, l.fanout.Publish(context.Background(), e))
	}
}

// Who fills many channels leaves the others their share.
func TestLogsAreShared(t *testing.T) {
	const flooded, size = 600, 1 << 15
	l := &logs{fanout: memory.New(memory.Options{})}
	quiet := logOf(t, l, "quiet")
	fill(t, l, "quiet", 4, size, 1)
	for i := range flooded {
		logOf(t, l, fmt.Sprint(i))
	}
	for range maxLogBytes / size {
		for i := range flooded {
			fill(t, l, fmt.Sprint(i), 1, size, 1)
		}
	}
	require.LessOrEqual(t, l.bytes.Load(), int64(maxAllLogsBytes))
	fill(t, l, "quiet", 1, size, 1)
	require.Len(t, quiet.events, 5, "it has less than its share, so it loses nothing")
	// All of them have less than their share now, but for what is common to all.
	require.Greater(t, l.bytes.Load(), int64(sharedLogsBytes)*3/4)
}

// Together they never hold more than all may, however many they are.
func TestLogsAreBounded(t *testing.T) {
	const size = 1 << 16
	l := &logs{fanout: memory.New(memory.Options{})}
	var all []*channelLog
	for i := range 3 * maxAllLogsBytes / size / 16 {
		all = append(all, logOf(t, l, fmt.Sprint(i)))
		fill(t, l, fmt.Sprint(i), 16, size, 1)
		require.LessOrEqual(t, l.bytes.Load(), int64(maxAllLogsBytes))
	}
	for _, log := range all {
		l.release(log)
	}
	require.Zero(t, l.bytes.Load())
	require.Empty(t, l.byName)
	require.Zero(t, l.count.Load())
}

// What is forgotten is known to be missing, and what is kept is not.
func TestLogKnowsWhatIsMissing(t *testing.T) {
	l := &logs{fanout: memory.New(memory.Options{})}
	log := logOf(t, l, "c")
	start := log.newest()
	fill(t, l, "c", 1, 600, 1)
	first := log.newest()
	fill(t, l, "c", maxLogEvents-1, 600, 1)
	events, ok := log.since(start)
	require.True(t, ok)
	require.Len(t, events, maxLogEvents)
	fill(t, l, "c", 1, 600, 1)
	_, ok = log.since(start)
	require.False(t, ok)
	events, ok = log.since(first)
	require.True(t, ok)
	require.Len(t, events, maxLogEvents)
	// Up to a serial, and none from behind it.
	last := events[99].Serial
	events, ok = log.between(first, last)
	require.True(t, ok)
	require.Len(t, events, 100)
	_, ok = log.between(log.newest(), last)
	require.False(t, ok, "it claims to have what has not come yet")
	events, ok = log.since(log.newest())
	require.True(t, ok)
	require.Empty(t, events)
	// With age.
	fill(t, l, "c", 1, 600, 1+engine.UnixMilli(StateTTL/time.Millisecond)+1)
	require.Len(t, log.events, 1)
	_, ok = log.since(first)
	require.False(t, ok)
}

// One log for a channel, as long as anybody needs it, even one that cannot begin.
func TestLogsComeAndGo(t *testing.T) {
	f := &brokenFanout{memory.New(memory.Options{}), 1}
	l := &logs{fanout: f}
	log := logOf(t, l, "c")
	require.Same(t, log, logOf(t, l, "c"))
	_, err := l.retain(fanout.Channel{App: "app", Resource: "d"})
	require.ErrorIs(t, err, errFanout)
	require.Len(t, l.byName, 1, "nothing is kept of a failure")
	l.release(log)
	require.Len(t, l.byName, 1)
	l.release(log)
	require.Empty(t, l.byName)
	f.works = 1
	logOf(t, l, "d")
}

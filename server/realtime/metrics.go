package realtime

import (
	"github.com/prometheus/client_golang/prometheus"

	"portcullis/engine"
)

// cause is why a WebSocket was closed.
type cause uint8

const (
	causeLost     cause = iota // the client or the network has closed it, or is too slow
	causeClient                // the client has asked for it
	causeReplaced              // its client came back over another one
	causeExpired
	causeRevoked
	causeKey      // its key is no longer good
	causeRefused  // a re-authentication was refused
	causeProtocol // the client has broken the protocol
	causeFlood
	causeDraining
	causes
)

var causeNames = [causes]string{
	"lost", "client", "replaced", "expired", "revoked", "key", "refused", "protocol", "flood", "draining",
}

// causeOf returns the cause of an error that ends a credential.
func causeOf(err error) cause {
	switch err {
	case engine.ErrTokenExpired:
		return causeExpired
	case engine.ErrTokenRevoked:
		return causeRevoked
	}
	return causeKey
}

// metrics are a Hub's numbers.
type metrics struct {
	open    prometheus.Gauge
	kept    prometheus.GaugeFunc
	byCause [causes]prometheus.Counter
	reauths prometheus.Counter
}

func newMetrics(h *Hub, r prometheus.Registerer) *metrics {
	m := &metrics{
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "portcullis_connections", Help: "Realtime connections that have a WebSocket.",
		}),
		kept: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "portcullis_connections_kept", Help: "Realtime connections whose state is in memory, with a WebSocket or without.",
		}, func() float64 {
			h.mu.Lock()
			defer h.mu.Unlock()
			return float64(len(h.connections))
		}),
		reauths: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "portcullis_reauthentications_total", Help: "Realtime connections that went on with another token.",
		}),
	}
	closed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portcullis_connections_closed_total", Help: "Realtime connections whose WebSocket was closed, by cause.",
	}, []string{"cause"})
	for i, name := range causeNames {
		m.byCause[i] = closed.WithLabelValues(name)
	}
	if r != nil {
		r.MustRegister(m.open, m.kept, m.reauths, closed)
	}
	return m
}

func (m *metrics) opened() { m.open.Inc() }

func (m *metrics) closed(why cause) {
	m.open.Dec()
	m.byCause[why].Inc()
}

func (m *metrics) reauthenticated() { m.reauths.Inc() }

package server

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"portcullis/engine"
	"portcullis/store"
)

// surface is where a decision was asked for.
type surface uint8

const (
	surfaceAdmit surface = iota
	surfaceBatch
	surfaceRequestToken
	surfaceRevoke
	surfaceREST
	surfaceRealtime
	surfaceIntrospect
	surfaceCount
)

var surfaceNames = [surfaceCount]string{"admit", "batch", "requestToken", "revokeTokens", "rest", "realtime", "introspect"}

// storeOp is what was asked of the store.
type storeOp uint8

const (
	storeSpend storeOp = iota
	storeApps
	storeRevocations
	storeDevices
	storeOpCount
)

var storeOpNames = [storeOpCount]string{"spend", "apps", "revocations", "devices"}

// metrics are the Server's numbers. Every label value is of a closed set and
// every counter is made at start, so a decision costs no look-up by text.
type metrics struct {
	registry  *prometheus.Registry
	handler   fasthttp.RequestHandler                                // of GET /metrics
	decisions [surfaceCount]map[*engine.ErrorInfo]prometheus.Counter // nil is the admitted ones
	duration  [surfaceCount]prometheus.Observer
	hits      prometheus.Counter
	misses    prometheus.Counter

	storeErrors          [storeOpCount]prometheus.Counter
	shedStore            prometheus.Counter
	shedConnection       prometheus.Counter
	issued               prometheus.Counter
	notIssued            prometheus.Counter
	reloadOK, reloadedAt prometheus.Gauge
	calls                *prometheus.CounterVec // of the authorization service
}

func newMetrics(version string, v *engine.Verifier, st store.Store) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.handler = fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "portcullis_build_info", Help: "1, with the version of the running program.",
	}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)

	decisions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portcullis_decisions_total", Help: "Admission decisions, by where they were asked for, verdict and reason of refusal.",
	}, []string{"surface", "result", "reason"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "portcullis_decision_duration_seconds", Help: "Time from reading a request to its written answer.",
		Buckets: []float64{1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1},
	}, []string{"surface"})
	for i, name := range surfaceNames {
		m.duration[i] = duration.WithLabelValues(name)
		m.decisions[i] = map[*engine.ErrorInfo]prometheus.Counter{nil: decisions.WithLabelValues(name, "admitted", "")}
		for _, info := range engine.Errors() {
			m.decisions[i][info] = decisions.WithLabelValues(name, "refused", string(info.Reason()))
		}
	}

	lookups := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portcullis_cache_lookups_total", Help: "Tokens looked up in the cache of verified tokens.",
	}, []string{"result"})
	m.hits, m.misses = lookups.WithLabelValues("hit"), lookups.WithLabelValues("miss")
	bytes := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "portcullis_cache_bytes", Help: "Memory taken by cached tokens.",
	}, func() float64 { return float64(v.CachedBytes()) })
	storeErrors := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portcullis_store_errors_total", Help: "What the store could not do in time.",
	}, []string{"op"})
	for i, name := range storeOpNames {
		m.storeErrors[i] = storeErrors.WithLabelValues(name)
	}
	m.registry.MustRegister(storeErrors)
	shed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portcullis_shed_total", Help: "What was refused because there was too much of it.",
	}, []string{"what"})
	m.shedStore, m.shedConnection = shed.WithLabelValues("store"), shed.WithLabelValues("connection")
	m.registry.MustRegister(shed)
	if st != nil {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "portcullis_nonces", Help: "Nonces that are remembered.",
		}, func() float64 { return float64(st.Status().Nonces) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "portcullis_store_floor_timestamp_seconds", Help: "Until when signed token requests are refused because history may be missing; 0 when they are not.",
		}, func() float64 { return float64(st.Status().Floor) / 1000 }))
	}
	issued := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portcullis_tokens_issued_total", Help: "Token requests, by whether a token was issued.",
	}, []string{"result"})
	m.issued, m.notIssued = issued.WithLabelValues("issued"), issued.WithLabelValues("refused")
	m.registry.MustRegister(issued)
	m.calls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portcullis_oauth_calls_total", Help: "Calls of the authorization service, by API and result code.",
	}, []string{"api", "result"})
	m.registry.MustRegister(m.calls)
	m.reloadOK = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "portcullis_config_last_reload_successful", Help: "1 when the configuration was last read without a fault.",
	})
	m.reloadedAt = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "portcullis_config_last_reload_success_timestamp_seconds", Help: "When the configuration in use was read.",
	})
	revocations := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "portcullis_revocations", Help: "Revocations in memory.",
	}, func() float64 { return float64(v.RevocationCount()) })
	m.registry.MustRegister(revocations, m.reloadOK, m.reloadedAt, build, decisions, duration, lookups, bytes, keyCollector{v})
	return m
}

// reloaded notes how reading the configuration went.
func (m *metrics) reloaded(err error, at engine.UnixMilli) {
	if err != nil {
		m.reloadOK.Set(0)
		return
	}
	m.reloadOK.Set(1)
	m.reloadedAt.Set(float64(at) / 1000)
}

// decided counts one decision; refused is nil for an admission.
func (m *metrics) decided(at surface, refused *engine.ErrorInfo, took time.Duration) {
	if refused != nil {
		refused = refused.Base()
	}
	m.decisions[at][refused].Inc()
	m.duration[at].Observe(took.Seconds())
}

func (m *metrics) lookedUp(hit bool) {
	if hit {
		m.hits.Inc()
	} else {
		m.misses.Inc()
	}
}

// called counts a call of the authorization service. Both labels are of closed sets:
// the paths, and the codes of oauth.Results.
func (m *metrics) called(path, code string) { m.calls.WithLabelValues(path, code).Inc() }

// keyCollector reports the keys as they are when somebody looks.
type keyCollector struct{ v *engine.Verifier }

var (
	keysDesc     = prometheus.NewDesc("portcullis_keys", "Configured keys by state.", []string{"state"}, nil)
	lastUsedDesc = prometheus.NewDesc("portcullis_key_last_used_timestamp_seconds", "When a credential of the key was last admitted, to the second.", []string{"key_name"}, nil)
)

func (c keyCollector) Describe(ch chan<- *prometheus.Desc) { ch <- keysDesc; ch <- lastUsedDesc }

func (c keyCollector) Collect(ch chan<- prometheus.Metric) {
	counts := map[engine.KeyState]int{engine.Active: 0, engine.VerifyOnly: 0, engine.Disabled: 0, engine.Revoked: 0}
	var sandboxUsed engine.UnixMilli // of all sandbox keys together: there may be thousands
	for _, k := range c.v.KeyStatuses() {
		counts[k.State]++
		if k.Sandbox {
			sandboxUsed = max(sandboxUsed, k.LastUsed)
			continue
		}
		if k.LastUsed != 0 {
			ch <- prometheus.MustNewConstMetric(lastUsedDesc, prometheus.GaugeValue, float64(k.LastUsed)/1000, k.Name)
		}
	}
	if sandboxUsed != 0 {
		ch <- prometheus.MustNewConstMetric(lastUsedDesc, prometheus.GaugeValue, float64(sandboxUsed)/1000, "sandbox")
	}
	for state, n := range counts {
		ch <- prometheus.MustNewConstMetric(keysDesc, prometheus.GaugeValue, float64(n), state.String())
	}
}

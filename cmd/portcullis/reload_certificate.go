package main

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"sync/atomic"
	"time"
)

// certificate is the TLS certificate of a listener. It can be replaced while the
// listener runs: connections that are made later get the new one.
type certificate struct {
	present atomic.Pointer[tls.Certificate]
}

func newCertificate(c *tls.Certificate) *certificate {
	holder := new(certificate)
	holder.present.Store(c)
	return holder
}

// replace makes c the present certificate and says whether it is another one.
func (h *certificate) replace(c *tls.Certificate) bool {
	old := h.present.Swap(c)
	return !bytes.Equal(old.Leaf.Raw, c.Leaf.Raw)
}

func (h *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return h.present.Load(), nil },
	}
}

// announce logs which certificate is in use, and until when it is good.
func (h *certificate) announce(log *slog.Logger) {
	leaf := h.present.Load().Leaf
	log.Info("certificate", "names", leaf.DNSNames, "expires", leaf.NotAfter.UTC().Format(time.RFC3339),
		"days_left", int(time.Until(leaf.NotAfter).Hours()/24))
}

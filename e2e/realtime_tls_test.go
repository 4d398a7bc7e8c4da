package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// selfSigned makes a certificate for 127.0.0.1 and returns its files, and who trusts
// it.
func selfSigned(t testing.TB) (certFile, keyFile string, trusting *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	trusting = x509.NewCertPool()
	require.True(t, trusting.AppendCertsFromPEM(text))
	return writeFile(t, "cert.pem", string(text)), writeFile(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))), trusting
}

// TestRealtimeTLS shows connections over TLS, where keys may be presented that are
// refused without it.
func TestRealtimeTLS(t *testing.T) {
	t.Parallel()
	certFile, keyFile, trusting := selfSigned(t)
	config := strings.Replace(realtimeConfig(), "server: {", "server: {allow_insecure_basic: false, tls: {cert_file: "+certFile+", key_file: "+keyFile+"}, ", 1)
	server := startServer(t, config)
	secure := *server
	secure.public = strings.Replace(server.public, "http:", "https:", 1)
	t.Run("", func(t *testing.T) {
		inBothFormats(t, "a key and a token", func(t *testing.T, format string) {
			room := ofTest(t)
			over := func(u upgrade) *rawConn {
				u.dialer.TLSClientConfig = &tls.Config{RootCAs: trusting}
				c, _ := u.connect(t, &secure)
				return c
			}
			ana := over(upgrade{format: format}.withQuery("key", realtimeKeys["full"], "clientId", "ana"))
			ben := over(withJWT(t, format, "full", nil))
			ben.attach(t, room)
			for _, size := range []int{1, 1000, 60_000} {
				ana.send(t, ana.message(room, object{"name": "n", "data": strings.Repeat("x", size)}))
				m := ben.await(t, actMessage).Messages[0]
				require.Equal(t, "ana", m.ClientID)
				require.Len(t, m.Data, size)
			}
		})
	})
	server.stop(t)

	plain := startServer(t, strings.Replace(realtimeConfig(), "server: {", "server: {allow_insecure_basic: false, ", 1))
	upgrade{}.withQuery("key", realtimeKeys["full"]).dial(t, plain).requireFatal(t, 40103, 401)
	c, _ := withJWT(t, "json", "full", nil).connect(t, plain)
	require.Empty(t, c.requireAlive(t))
	plain.stop(t)
}

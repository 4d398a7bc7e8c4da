package server

import (
	"bytes"
	"net"
	"net/netip"

	"github.com/valyala/fasthttp"

	"portcullis/admission"
)

// remoteIP returns the address of the other end of the connection.
func remoteIP(ctx *fasthttp.RequestCtx) netip.Addr {
	if tcp, ok := ctx.RemoteAddr().(*net.TCPAddr); ok {
		ip, _ := netip.AddrFromSlice(tcp.IP)
		return ip.Unmap()
	}
	return netip.Addr{}
}

func (s *Settings) trusts(ip netip.Addr) bool {
	for _, p := range s.TrustedProxies {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// clientIP returns where a request comes from. What X-Forwarded-For says counts
// only as far as trusted proxies have written it: it is read from its end, and
// the first address that is no trusted proxy's is the client's.
func (s *Settings) clientIP(ctx *fasthttp.RequestCtx) netip.Addr {
	ip := remoteIP(ctx)
	forwarded := ctx.Request.Header.PeekAll(fasthttp.HeaderXForwardedFor)
	for i := len(forwarded) - 1; i >= 0; i-- {
		for rest := forwarded[i]; ; {
			if !s.trusts(ip) {
				return ip
			}
			comma := bytes.LastIndexByte(rest, ',')
			hop, err := netip.ParseAddr(string(bytes.TrimSpace(rest[comma+1:])))
			if err != nil {
				return netip.Addr{} // a proxy that is trusted has written nonsense: nobody's address
			}
			ip = hop.Unmap()
			if comma < 0 {
				break
			}
			rest = rest[:comma]
		}
	}
	return ip
}

// secure says whether the client's connection is encrypted, as far as this
// server and its trusted proxies can tell; told is true when a proxy has told.
func (s *Settings) secure(ctx *fasthttp.RequestCtx) (secure, told bool) {
	if proto := ctx.Request.Header.Peek(fasthttp.HeaderXForwardedProto); len(proto) > 0 && s.trusts(remoteIP(ctx)) {
		return bytes.EqualFold(proto, []byte("https")) || bytes.EqualFold(proto, []byte("wss")), true
	}
	return ctx.IsTLS(), false
}

// mayPresentKey says whether an API key may be sent over the client's
// connection. A trusted proxy's word that it is in the clear is final: that
// keys are accepted in the clear is meant for this server's own listener.
func (s *Settings) mayPresentKey(ctx *fasthttp.RequestCtx) bool {
	secure, told := s.secure(ctx)
	return secure || s.AllowInsecureBasic && !told
}

// peer returns what a request says about its sender.
func (s *Settings) peer(ctx *fasthttp.RequestCtx, clientID []byte) admission.Peer {
	return admission.Peer{ClientID: clientID, Origin: ctx.Request.Header.Peek(fasthttp.HeaderOrigin), IP: s.clientIP(ctx)}
}

// isLoopbackHost says whether a Host header names this machine: localhost, or a
// loopback address, with or without a port. A page of a foreign name that
// resolves to a loopback address has that name in Host (DNS rebinding).
func isLoopbackHost(host []byte) bool {
	name := string(host)
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	name = string(bytes.Trim([]byte(name), "[]"))
	if name == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}

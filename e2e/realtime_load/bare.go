package main

import (
	"net"
	"sync"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

// connected is what the bare server sends: as long as the real one.
var connected = []byte(`{"action":4,"connectionId":"d3d4054b5adc2d9f","connectionDetails":{"clientId":"load0001","connectionKey":"d3d4054b5adc2d9f!df55c3447ac483d222521383bcc407df",` +
	`"maxMessageSize":65536,"maxFrameSize":524288,"maxInboundRate":1000,"connectionStateTtl":120000,"maxIdleInterval":15000,"serverId":"2664c796945d"}}`)

// serveBare starts a server that does what the libraries do, and nothing else.
func serveBare() (address string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	upgrader := websocket.FastHTTPUpgrader{
		ReadBufferSize: 512, WriteBufferSize: 4 << 10, WriteBufferPool: new(sync.Pool),
		CheckOrigin: func(*fasthttp.RequestCtx) bool { return true },
	}
	server := &fasthttp.Server{ReadBufferSize: 16 << 10, Handler: func(ctx *fasthttp.RequestCtx) {
		_ = upgrader.Upgrade(ctx, func(c *websocket.Conn) {
			if c.WriteMessage(websocket.TextMessage, connected) != nil {
				return
			}
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					return
				}
			}
		})
	}}
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String(), nil
}

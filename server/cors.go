package server

import "github.com/valyala/fasthttp"

// What a browser may send to and read from the Ably endpoints. No cookie is ever
// read, so reflecting any Origin gives a page nothing that it does not have.
const (
	corsAllowedHeaders = "authorization, content-type, accept, x-ably-version, ably-agent, x-ably-clientid, x-ably-devicetoken"
	corsExposedHeaders = "link, x-ably-errorcode, x-ably-errormessage"
	corsMaxAge         = "7200" // seconds; browsers cap it at that
)

// allowOrigin lets a page of any origin read the answer.
func allowOrigin(ctx *fasthttp.RequestCtx) {
	header := &ctx.Response.Header
	header.Add(fasthttp.HeaderVary, "Origin")
	origin := ctx.Request.Header.Peek(fasthttp.HeaderOrigin)
	if len(origin) == 0 {
		return
	}
	header.SetBytesV(fasthttp.HeaderAccessControlAllowOrigin, origin)
	header.Set(fasthttp.HeaderAccessControlAllowCredentials, "true")
	header.Set(fasthttp.HeaderAccessControlExposeHeaders, corsExposedHeaders)
}

// preflight answers a browser that asks whether it may send a request (Fetch
// §4.8), and says whether it was that.
func preflight(ctx *fasthttp.RequestCtx, methods string) bool {
	request := &ctx.Request.Header
	if !request.IsOptions() || len(request.Peek(fasthttp.HeaderOrigin)) == 0 || len(request.Peek(fasthttp.HeaderAccessControlRequestMethod)) == 0 {
		return false
	}
	header := &ctx.Response.Header
	header.Set(fasthttp.HeaderAccessControlAllowMethods, methods)
	header.Set(fasthttp.HeaderAccessControlAllowHeaders, corsAllowedHeaders)
	header.Set(fasthttp.HeaderAccessControlMaxAge, corsMaxAge)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return true
}

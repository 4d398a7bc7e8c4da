package server

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"slices"
	"strconv"

	"github.com/valyala/fasthttp"

	"portcullis/capability"
	"portcullis/engine"
	"portcullis/fanout"
	"portcullis/server/realtime/frame"
)

// How many members one answer lists (RSP3a).
const (
	defaultPageMembers = 100
	maxPageMembers     = 1000
)

// presence answers GET /channels/{channel}/presence: who is present now (RSP3).
func (s *Server) presence(ctx *fasthttp.RequestCtx) {
	s.rest(ctx, func(w *work) error {
		channel := parameter(ctx)
		if err := w.session.Authorize(channel, capability.Subscribe); err != nil {
			return err
		}
		q, err := readPresenceQuery(ctx)
		if err != nil {
			return err
		}
		resource, err := capability.ParseChannel(channel)
		if err != nil {
			return engine.ErrChannel
		}
		members, more := q.page(s.hub.Members(fanout.Channel{App: w.grant.App(), Resource: resource.String()}))
		link := func(rel, cursor string) {
			ctx.Response.Header.Add(fasthttp.HeaderLink, "<./presence?"+q.text(cursor)+`>; rel="`+rel+`"`)
		}
		link("first", "")
		link("current", q.cursor)
		if more {
			link("next", cursorOf(&members[len(members)-1]))
		}
		f := formatOf(ctx)
		ctx.Response.Header.SetContentTypeBytes(contentTypes[f])
		ctx.SetBody(frame.AppendMembers(nil, f, members))
		return nil
	})
}

// presenceHistory answers GET /channels/{channel}/presence/history. Nothing is
// kept, so it is empty.
func (s *Server) presenceHistory(ctx *fasthttp.RequestCtx) {
	s.rest(ctx, func(w *work) error {
		if err := w.session.Authorize(parameter(ctx), capability.History); err != nil {
			return err
		}
		writePage(ctx, "history")
		return nil
	})
}

// presenceQuery is which members are asked for.
type presenceQuery struct {
	limit                  int
	clientID, connectionID []byte
	cursor                 string // behind which to go on, "" to begin
}

func readPresenceQuery(ctx *fasthttp.RequestCtx) (q presenceQuery, err error) {
	read := func(name string) (value []byte) {
		if err == nil {
			value, _, err = oneOf(ctx, name)
		}
		return value
	}
	limit := read("limit")
	q.clientID, q.connectionID, q.cursor = read("clientId"), read("connectionId"), string(read("cursor"))
	if err != nil {
		return q, err
	}
	q.limit = defaultPageMembers
	if len(limit) > 0 {
		n, parseErr := strconv.Atoi(string(limit))
		if parseErr != nil || n < 1 || n > maxPageMembers {
			return q, engine.ErrLimitParameter
		}
		q.limit = n
	}
	return q, nil
}

// text returns the query that asks for the page behind a cursor.
func (q *presenceQuery) text(cursor string) string {
	args := fasthttp.AcquireArgs()
	defer fasthttp.ReleaseArgs(args)
	args.SetUint("limit", q.limit)
	for _, a := range []struct{ name, value string }{{"clientId", string(q.clientID)}, {"connectionId", string(q.connectionID)}, {"cursor", cursor}} {
		if a.value != "" {
			args.Set(a.name, a.value)
		}
	}
	return args.String()
}

// page returns the members that are asked for, in an order of their own, and
// whether there are more.
func (q *presenceQuery) page(all []fanout.Item) (members []fanout.Item, more bool) {
	all = slices.DeleteFunc(all, func(m fanout.Item) bool {
		return len(q.clientID) > 0 && m.ClientID != string(q.clientID) || len(q.connectionID) > 0 && m.ConnectionID != string(q.connectionID) ||
			cursorOf(&m) <= q.cursor && q.cursor != ""
	})
	slices.SortFunc(all, func(a, b fanout.Item) int { return cmp.Compare(cursorOf(&a), cursorOf(&b)) })
	if len(all) > q.limit {
		return all[:q.limit], true
	}
	return all, false
}

// cursorEncoding keeps the order of what it encodes.
var cursorEncoding = base64.NewEncoding("-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz").WithPadding(base64.NoPadding)

// cursorOf returns the place of a member: no two have the same.
func cursorOf(m *fanout.Item) string {
	return cursorEncoding.EncodeToString(bytes.Join([][]byte{[]byte(m.ClientID), []byte(m.ConnectionID)}, []byte{0}))
}

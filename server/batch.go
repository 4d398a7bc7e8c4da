package server

import (
	"bytes"
	"fmt"
	"time"

	"github.com/segmentio/encoding/json"
	"github.com/valyala/fasthttp"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
	"portcullis/internal/jsonscan"
)

// Limits on POST /v1/admit/batch.
const (
	maxBatchBytes   = 4 << 20
	maxBatchEntries = 1000
	maxPooledBytes  = 1 << 20 // of a buffer that is kept for the next request
)

// batchEntry is one question of a batch.
type batchEntry struct {
	Token, ClientID, Channel, Op string

	op capability.Op
}

const ndjson = "application/x-ndjson"

// admitBatch answers POST /v1/admit/batch: many questions, one verdict each, in
// order. Nothing is decided before every entry has been read.
func (s *Server) admitBatch(ctx *fasthttp.RequestCtx) {
	lines := isMediaType(ctx.Request.Header.ContentType(), ndjson)
	read := readArray
	if lines {
		read = readLines
	}
	entries, refused := read(ctx.Request.Body())
	if refused != nil {
		s.refuse(ctx, refused)
		return
	}
	w := s.work.Get().(*work)
	defer func() {
		if cap(w.body) > maxPooledBytes {
			w.body = nil // a rare large answer is not kept in memory
		}
		s.work.Put(w)
	}()
	open, between, end := "[", ",", "]"
	if lines {
		open, between, end = "", "\n", "\n"
	}
	w.body = append(w.body[:0], open...)
	for i := range entries {
		if i > 0 {
			w.body = append(w.body, between...)
		}
		w.body = s.appendVerdict(w.body, w, &entries[i])
	}
	w.body = append(w.body, end...)
	if lines {
		ctx.SetContentType(ndjson)
	} else {
		ctx.Response.Header.SetContentTypeBytes(contentTypes[formatJSON])
	}
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	ctx.Response.SetBody(w.body)
}

// isMediaType compares the media type of a Content-Type, parameters aside.
func isMediaType(contentType []byte, want string) bool {
	media, _, _ := bytes.Cut(contentType, []byte{';'})
	return bytes.EqualFold(bytes.TrimSpace(media), []byte(want))
}

// readArray reads a JSON array of entries.
func readArray(body []byte) ([]batchEntry, *engine.ErrorInfo) {
	var entries []batchEntry
	elements := jsonscan.ReadArray(body)
	for v, ok := elements.Next(); ok; v, ok = elements.Next() {
		if len(entries) == maxBatchEntries {
			return nil, engine.ErrBody.WithDetail(fmt.Sprintf("more than %d entries", maxBatchEntries))
		}
		var e batchEntry
		if fault := e.read(v.Text); fault != "" {
			return nil, engine.ErrBody.WithDetail(fmt.Sprintf("entry %d: %s", len(entries), fault))
		}
		entries = append(entries, e)
	}
	if elements.Err() != nil {
		return nil, engine.ErrBody.WithDetail("not a JSON array")
	}
	return entries, nil
}

// readLines reads one entry a line; empty lines do not count.
func readLines(body []byte) ([]batchEntry, *engine.ErrorInfo) {
	var entries []batchEntry
	for number := 1; len(body) > 0; number++ {
		var line []byte
		line, body, _ = bytes.Cut(body, []byte{'\n'})
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(entries) == maxBatchEntries {
			return nil, engine.ErrBody.WithDetail(fmt.Sprintf("more than %d entries", maxBatchEntries))
		}
		var e batchEntry
		if fault := e.read(line); fault != "" {
			return nil, engine.ErrBody.WithDetail(fmt.Sprintf("line %d: %s", number, fault))
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// read reads one entry and says what is wrong with it. A member that is not known
// or repeated is wrong: a misspelt channel must not become a question about none.
func (e *batchEntry) read(text []byte) (fault string) {
	known := map[string]*string{"token": &e.Token, "clientId": &e.ClientID, "channel": &e.Channel, "op": &e.Op}
	if !readStrings(text, known) {
		return "not an object of token, clientId, channel and op"
	}
	if (e.Op == "") != (e.Channel == "") && e.Op != "presence" {
		return "channel and op go together"
	}
	if e.Op != "" {
		if e.op = capability.ParseOp([]byte(e.Op)); e.op == 0 || e.op == capability.All {
			return "op is not an operation"
		}
	}
	return ""
}

// appendVerdict decides one entry and appends the answer.
func (s *Server) appendVerdict(body []byte, w *work, e *batchEntry) []byte {
	start := time.Now()
	err := s.decideEntry(w, e)
	refused := s.infoOf(err)
	s.metrics.decided(surfaceBatch, refused, time.Since(start))
	if refused != nil {
		body = append(body, `{"admitted":false,`...)
		return append(body, refusals[refused.Base()].bodies[formatJSON][1:]...)
	}
	w.fillAnswer()
	body, _ = json.Append(body, &w.answer, 0) // of strings and integers only: it cannot fail
	return body
}

func (s *Server) decideEntry(w *work, e *batchEntry) error {
	if e.Token == "" {
		return engine.ErrNoCredentials
	}
	w.credential = append(w.credential[:0], e.Token...)
	if err := s.verifyToken(&w.grant, w.credential); err != nil {
		return err
	}
	w.clientID = append(w.clientID[:0], e.ClientID...)
	if err := admission.Admit(&w.session, &w.grant, admission.Peer{ClientID: w.clientID}); err != nil {
		return err
	}
	if e.op != 0 {
		return w.session.Authorize([]byte(e.Channel), e.op)
	}
	return nil
}

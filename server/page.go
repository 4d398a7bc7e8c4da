package server

import (
	"encoding/base64"
	"fmt"
	"sort"
	"strconv"

	"github.com/valyala/fasthttp"

	"portcullis/engine"
)

// Limits on a page (Ably's documentation of pagination).
const (
	defaultPage = 100
	maxPage     = 1000
)

// writePageOf answers with a page of items, which are in the order of their keys, none
// of them empty. The next one is linked by the last key of this one, so that what
// changes in between neither repeats nor hides another item.
func writePageOf[T any](ctx *fasthttp.RequestCtx, path string, items []T, key func(*T) string, view func(*T) any) error {
	limit := defaultPage
	if text := ctx.QueryArgs().Peek("limit"); len(text) > 0 {
		n, err := strconv.Atoi(string(text))
		if err != nil || n < 1 || n > maxPage {
			return engine.ErrBadRequest.WithDetail("limit must be from 1 to " + strconv.Itoa(maxPage))
		}
		limit = n
	}
	after, err := base64.RawURLEncoding.DecodeString(string(ctx.QueryArgs().Peek("after")))
	if err != nil {
		return engine.ErrBadRequest.WithDetail("after is not from a Link")
	}
	from := sort.Search(len(items), func(i int) bool { return key(&items[i]) > string(after) })
	page := items[from:min(from+limit, len(items))]
	link := func(rel, after string) {
		var query fasthttp.Args
		ctx.QueryArgs().CopyTo(&query)
		for _, name := range []string{"after", "limit", "key", "access_token", "accessToken"} { // a credential belongs to its own request
			query.Del(name)
		}
		query.SetUint("limit", limit)
		if after != "" {
			query.Set("after", base64.RawURLEncoding.EncodeToString([]byte(after)))
		}
		ctx.Response.Header.Add(fasthttp.HeaderLink, fmt.Sprintf(`<./%s?%s>; rel="%s"`, path, query.QueryString(), rel))
	}
	link("first", "")
	link("current", string(after))
	if from+len(page) < len(items) {
		link("next", key(&page[len(page)-1]))
	}
	list := make([]any, len(page))
	for i := range page {
		list[i] = view(&page[i])
	}
	writeValue(ctx, fasthttp.StatusOK, list)
	return nil
}

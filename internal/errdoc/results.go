package main

import (
	"bytes"
	"strconv"

	"portcullis/oauth"
)

const resultsIntroduction = `# Results of the authorization service

This page is generated from the program's own table (` + "`go run ./internal/errdoc`" + `): everything that ` + "`resultCode`" + ` can be.
[oauth.md](oauth.md) has what the calls are.

- Codes that begin with **A** are Authlete's published ones, and mean here what they mean there. The others, with **V**, are this
  program's own: for these cases Authlete publishes no code.
- The third digit from the right says whose fault it is: 0 nobody's, 1 the server's, 2 that of whoever called the API, 3 the client's.
- **Action** is what the caller does next. Where there is an HTTP status instead, the call itself was refused: the body has ` + "`resultCode`" + ` and
  ` + "`resultMessage`" + ` alone.
- **error** is the OAuth error in ` + "`responseContent`" + `.

`

// resultsPage is docs/oauth-results.md. A code that comes with two actions has one row.
func resultsPage() []byte {
	var b bytes.Buffer
	b.WriteString(resultsIntroduction)
	row(&b, "Code", "Action", "error", "Message")
	row(&b, "---", "---", "---", "---")
	actions := make(map[string]string)
	for _, r := range oauth.Results() {
		action := "`" + string(r.Action) + "`"
		if r.Status != 0 {
			action = strconv.Itoa(r.Status)
		}
		if before := actions[r.Code]; before != "" {
			action = before + ", " + action
		}
		actions[r.Code] = action
	}
	for _, r := range oauth.Results() {
		action := actions[r.Code]
		if action == "" {
			continue // it has its row
		}
		delete(actions, r.Code)
		oauthError := ""
		if r.Err != "" {
			oauthError = "`" + r.Err + "`"
		}
		row(&b, "`"+r.Code+"`", action, oauthError, escape(r.Text))
	}
	return b.Bytes()
}

package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portcullis/engine"
	"portcullis/internal/vectors"
)

const (
	// maxAnswerBytes bounds how much of an answer is read.
	maxAnswerBytes = 1 << 20
	// freshFor is how long credentials are sent that were made for one moment.
	freshFor = 30 * time.Second
)

// Options say what is put to which server.
type Options struct {
	Client  *http.Client
	Server  string // its base URL, without a slash at the end
	Surface Surface
}

// Result is the answer to one vector.
type Result struct {
	Name    string `json:"name"`
	Comment string `json:"comment"`
	Want    Answer `json:"want"`
	Got     Answer `json:"got"`
	OK      bool   `json:"ok"`
}

// Report counts what became of the vectors.
type Report struct {
	Sent       int            `json:"sent"`
	Deviations int            `json:"deviations"`
	Unsent     map[string]int `json:"unsent"` // by the reason: moment, surface or head
}

// ErrUnreachable is wrapped by the errors of a server that does not answer as one.
var ErrUnreachable = errors.New("the server cannot be asked")

// Run puts every vector of the fixture keys to the server, and hands each result to each.
func Run(ctx context.Context, o Options, each func(Result)) (Report, error) {
	report := Report{Unsent: map[string]int{}}
	keys, err := vectors.EngineKeys(vectors.Keys())
	if err != nil {
		return report, err
	}
	judge, err := engine.NewVerifier(engine.Options{Keys: keys})
	if err != nil {
		return report, err
	}
	defer judge.Close()

	var all []vectors.Vector
	var now int64
	var made time.Time
	for i := 0; all == nil || i < len(all); i++ {
		if all == nil || time.Since(made) > freshFor {
			made = time.Now()
			if now, err = o.time(ctx); err != nil {
				return report, err
			}
			if all, err = vectors.AllAt(now); err != nil {
				return report, err
			}
		}
		v := &all[i]
		if v.KeySetName != "" {
			continue // of keys that have a name in common with those of the others
		}
		q, unsent := ask(v, judge, o.Surface, now)
		if unsent != "" {
			report.Unsent[unsent]++
			continue
		}
		got, err := o.send(ctx, &q)
		if err != nil {
			return report, fmt.Errorf("%w: %s: %w", ErrUnreachable, v.Name, err)
		}
		r := Result{Name: v.Name, Comment: v.Comment, Want: q.want, Got: got, OK: got.matches(q.want)}
		report.Sent++
		if !r.OK {
			report.Deviations++
		}
		each(r)
	}
	return report, nil
}

// time reads the server's clock (RSC16).
func (o *Options) time(ctx context.Context) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.Server+"/time", nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := o.Client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer response.Body.Close()
	var times []int64
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswerBytes)).Decode(&times); err != nil || response.StatusCode != http.StatusOK || len(times) != 1 {
		return 0, fmt.Errorf("%w: GET /time gave HTTP %d and no list of one time", ErrUnreachable, response.StatusCode)
	}
	return times[0], nil
}

// send asks one question.
func (o *Options) send(ctx context.Context, q *question) (Answer, error) {
	target := o.Server + q.path
	if len(q.query) > 0 {
		target += "?" + q.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, q.method, target, strings.NewReader(q.body))
	if err != nil {
		return Answer{}, err
	}
	request.Header = q.header
	request.Header.Set("Accept", "application/json")
	response, err := o.Client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return Answer{}, err
	}
	return Answer{response.StatusCode, codeOf(response, body)}, nil
}

// codeOf returns Ably's error code of an answer: that of the body, or else of the
// header (RSC19e).
func codeOf(response *http.Response, body []byte) int {
	var answer struct {
		Error *struct{ Code int }
	}
	if json.Unmarshal(body, &answer) == nil && answer.Error != nil {
		return answer.Error.Code
	}
	code, _ := strconv.Atoi(response.Header.Get("X-Ably-Errorcode"))
	return code
}

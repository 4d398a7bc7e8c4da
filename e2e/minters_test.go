package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// job is one token to mint.
type job struct {
	Library string         `json:"library"`
	Alg     string         `json:"alg"`
	Kid     string         `json:"kid"`
	Secret  string         `json:"secret"`
	Claims  map[string]any `json:"claims"`

	// For the libraries of npm only.
	Header map[string]any `json:"header,omitempty"` // more header parameters
	Enc    string         `json:"enc,omitempty"`    // encrypted in this way, with a key managed by Alg
}

// minter mints tokens with something that is not ours.
type minter struct {
	name string
	mint func(t *testing.T, jobs []job) (tokens []string)
}

var minters = []minter{
	{"golang-jwt", mintGolangJWT},
	{"jsonwebtoken", mintNode("jsonwebtoken")},
	{"jose", mintNode("jose")},
	{"shell", mintShell},
}

func mintGolangJWT(t *testing.T, jobs []job) []string {
	var tokens []string
	for _, j := range jobs {
		token := jwt.NewWithClaims(jwt.GetSigningMethod(j.Alg), jwt.MapClaims(j.Claims))
		token.Header["kid"] = j.Kid
		var key any = []byte(j.Secret)
		if j.Alg == "none" {
			key = jwt.UnsafeAllowNoneSignatureType
		}
		text, err := token.SignedString(key)
		require.NoError(t, err)
		tokens = append(tokens, text)
	}
	return tokens
}

// mintNode mints with a library of npm's, all jobs in one process. Claims and
// secrets travel on stdin.
func mintNode(library string) func(t *testing.T, jobs []job) []string {
	return func(t *testing.T, jobs []job) []string {
		jobs = append([]job(nil), jobs...)
		for i := range jobs {
			jobs[i].Library = library
		}
		return mintEach(t, jobs)
	}
}

// mintEach mints each job with the library of npm's that it names.
func mintEach(t *testing.T, jobs []job) []string {
	t.Helper()
	for _, j := range jobs {
		require.DirExists(t, filepath.Join("js", "node_modules", j.Library), "run: npm ci --prefix e2e/js")
	}
	input, err := json.Marshal(jobs)
	require.NoError(t, err)
	tokens := strings.Fields(runMinter(t, exec.Command("node", filepath.Join("js", "mint.mjs")), input))
	require.Len(t, tokens, len(jobs))
	return tokens
}

func mintShell(t *testing.T, jobs []job) []string {
	var tokens []string
	for _, j := range jobs {
		claims, err := json.Marshal(j.Claims)
		require.NoError(t, err)
		cmd := exec.Command(filepath.Join("shell", "mint.sh"), j.Alg, j.Kid)
		cmd.Env = environment("MINT_SECRET=" + j.Secret)
		tokens = append(tokens, strings.TrimSpace(runMinter(t, cmd, claims)))
	}
	return tokens
}

func runMinter(t *testing.T, cmd *exec.Cmd, stdin []byte) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return string(out)
}

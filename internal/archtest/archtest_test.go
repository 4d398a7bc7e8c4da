// Package archtest asserts which package may import which.
package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "portcullis"

// mayImport lists, for each package of the module, the packages of the module
// that it may import outside its tests. A package that is not listed here must
// not exist.
var mayImport = map[string][]string{
	"internal/base64url":    {},
	"internal/jsonscan":     {},
	"internal/msgpackscan":  {"internal/jsonscan"},
	"internal/hs256":        {},
	"internal/nearest":      {},
	"internal/oracle":       {},
	"internal/vectors":      {"engine", "capability"},
	"internal/config":       {"engine", "capability", "oauth", "internal/nearest"},
	"internal/conformance":  {"admission", "engine", "capability", "internal/vectors"},
	"internal/timing":       {},
	"internal/errdoc":       {"engine", "oauth"},
	"internal/doctest":      {},
	"internal/archtest":     {},
	"capability":            {"internal/jsonscan"},
	"engine":                {"capability", "internal/base64url", "internal/hs256", "internal/jsonscan", "internal/nearest"},
	"admission":             {"engine", "capability"},
	"admission/registry":    {"engine", "capability"},
	"store":                 {"engine"},
	"store/storetest":       {"store", "engine"},
	"store/internal/state":  {"store", "engine"},
	"store/memory":          {"store", "engine", "store/internal/state"},
	"store/bolt":            {"store", "engine", "store/internal/state"},
	"fanout":                {},
	"fanout/fanouttest":     {"fanout"},
	"fanout/memory":         {"fanout"},
	"server/realtime/frame": {"engine", "fanout", "internal/jsonscan", "internal/msgpackscan"},
	"push":                  {"engine", "capability", "store", "internal/jsonscan"},
	"oauth":                 {"engine"},
	"server/realtime":       {"admission", "admission/registry", "engine", "capability", "fanout", "server/realtime/frame"},
	"server":                {"admission", "admission/registry", "engine", "capability", "oauth", "push", "store", "fanout", "server/realtime", "server/realtime/frame", "internal/jsonscan", "internal/msgpackscan"},
	"fuzz":                  {"engine", "capability"},
	"cmd/portcullis":        {"store", "store/memory", "store/bolt", "fanout/memory", "internal/nearest", "server", "admission", "engine", "capability", "oauth", "internal/config", "internal/base64url", "internal/conformance", "internal/vectors"},
}

// mayUse lists what packages whose dependencies matter to embedders may reach,
// directly or not, outside the module and the standard library.
var mayUse = map[string][]string{
	"capability": {},
	"engine":     {"github.com/dgraph-io/ristretto/v2", "github.com/cespare/xxhash/v2", "github.com/dustin/go-humanize", "golang.org/x/sys", "golang.org/x/crypto"},
	"admission":  {"github.com/dgraph-io/ristretto/v2", "github.com/cespare/xxhash/v2", "github.com/dustin/go-humanize", "golang.org/x/sys", "golang.org/x/crypto"},
	"oauth":      {"github.com/dgraph-io/ristretto/v2", "github.com/cespare/xxhash/v2", "github.com/dustin/go-humanize", "golang.org/x/sys", "golang.org/x/crypto", "github.com/segmentio/encoding", "github.com/segmentio/asm"},

	"admission/registry": {"github.com/dgraph-io/ristretto/v2", "github.com/cespare/xxhash/v2", "github.com/dustin/go-humanize", "golang.org/x/sys", "golang.org/x/crypto"},
}

// pure packages decide from their arguments alone.
var pure = []string{"capability", "engine", "admission", "admission/registry", "oauth", "fanout", "server/realtime/frame"}

// impure are the ways out of a pure package.
var impure = []string{"net", "os", "log", "log/slog", "net/http", "io/ioutil", "os/signal"}

type listed struct {
	ImportPath string
	Standard   bool
	Module     *struct{ Path string }
	Imports    []string
	Deps       []string
}

func list(t *testing.T, patterns ...string) map[string]listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-deps", "-json"}, patterns...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	packages := make(map[string]listed)
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		packages[p.ImportPath] = p
	}
}

func TestArrowsPointOneWay(t *testing.T) {
	found := 0
	for path, p := range list(t, "./...") {
		name, ours := strings.CutPrefix(path, module+"/")
		if !ours {
			continue
		}
		found++
		allowed, known := mayImport[name]
		require.True(t, known, "%s is not in the plan of the house: add it to mayImport, with what it may import", name)
		for _, imported := range p.Imports {
			if inner, ours := strings.CutPrefix(imported, module+"/"); ours {
				require.Contains(t, allowed, inner, "%s must not import %s", name, inner)
			}
		}
	}
	require.Equal(t, len(mayImport), found, "mayImport lists a package that is not there")
}

func TestEmbeddersCompileNoMoreThanTheyNeed(t *testing.T) {
	for name, allowed := range mayUse {
		for path, p := range list(t, "./"+name) {
			if p.Module == nil || p.Module.Path == module {
				continue
			}
			require.Contains(t, allowed, p.Module.Path, "%s reaches %s", name, path)
		}
	}
}

// What is signed and sealed is the engine's business, and what is kept the store's.
func TestTheAuthorizationServiceHasNoMACNoTokenParsingAndNoStorage(t *testing.T) {
	p := list(t, "./oauth")[module+"/oauth"]
	for _, imported := range p.Imports {
		for _, forbidden := range []string{"crypto/", "hash", "golang.org/x/crypto", "encoding/", module + "/internal/", module + "/store", "math/rand"} {
			require.False(t, strings.HasPrefix(imported, forbidden), "oauth must not import %s", imported)
		}
	}
}

func TestPurePackagesHaveNoWayOut(t *testing.T) {
	all := list(t, "./...")
	for _, name := range pure {
		p, ok := all[module+"/"+name]
		require.True(t, ok, name)
		for _, way := range impure {
			require.False(t, slices.Contains(p.Imports, way), "%s must not import %s", name, way)
		}
	}
}

// Peers belong into modules of their own: whoever embeds the engine must not
// download them.
func TestTheRootModuleHasNoJWTLibrary(t *testing.T) {
	gomod, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	for _, library := range []string{"golang-jwt", "go-jose", "lestrrat-go/jwx", "kataras/jwt", "dgrijalva", "square/go-jose", "cristalhq"} {
		require.NotContains(t, string(gomod), library)
		for path := range list(t, "-test", "./...") {
			require.NotContains(t, path, library)
		}
	}
}

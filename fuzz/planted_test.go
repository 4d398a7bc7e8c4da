package fuzz

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// defects lists, for every property, a defect that must not go unnoticed, and
// the target that must notice it.
var defects = map[string]string{
	"line-breaks":            "FuzzToken",
	"leeway":                 "FuzzToken",
	"any-depth":              "FuzzEmbedded",
	"outer-outlived":         "FuzzEmbedded",
	"claims-first":           "FuzzEmbedded",
	"padding":                "FuzzSpelling",
	"replaced-utf8":          "FuzzClaims",
	"trailing-data":          "FuzzClaims",
	"unescaped-format":       "FuzzCapability",
	"one-sided-intersection": "FuzzCapability",
	"widening-intersection":  "FuzzCapability",
	"losing-intersection":    "FuzzCapability",
	"prefix-match":           "FuzzCapability",
	"queues-attach":          "FuzzChannel",
	"proof-ignored":          "FuzzAccessToken",
	"margin-without-end":     "FuzzSequences",
	"unseen-revocation":      "FuzzSequences",
	"yesterdays-key":         "FuzzSequences",
	"eternal-hit":            "FuzzSequences",
	"last-name-wins":         "FuzzTokenRequest",
	"timestamp-leeway":       "FuzzTokenRequest",
	"nonce-first":            "FuzzTokenRequest",
	"cut-client-id":          "FuzzRoundTrip",
	"rounded-expiry":         "FuzzRoundTrip",
	"bare-http":              "FuzzHTTP",
	"internal-error":         "FuzzHTTP",
}

// TestPlantedDefects runs each target against its planted defect for at most a
// minute and wants it to fail.
func TestPlantedDefects(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "fuzz.test")
	build := exec.Command("go", "test", "-c", "-tags", "planted", "-o", binary, ".")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	run := func(target, defect string) (string, error) {
		cmd := exec.Command(binary, "-test.run", "^$", "-test.fuzz", "^"+target+"$", "-test.fuzztime", "60s", "-test.fuzzcachedir", t.TempDir(), "-test.parallel", "1")
		cmd.Dir = t.TempDir() // where the failing input is written
		cmd.Env = append(os.Environ(), "PLANTED_DEFECT="+defect)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for defect, target := range defects {
		t.Run(defect, func(t *testing.T) {
			out, err := run(target, defect)
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "%s did not notice %s:\n%s", target, defect, out)
			require.Contains(t, out, "--- FAIL: "+target, "%s ended for another reason:\n%s", target, out)
		})
	}
}

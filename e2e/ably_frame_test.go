package e2e

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The frames that package frame writes are what the SDK understands them to be, in
// both formats. The package's own tests hold that they are still those frames.
func TestAblyReadsFrames(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "../../server/realtime/frame/testdata/deliver.mjs")
	node.Dir = "js"
	out, err := node.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "json as expected\nmsgpack as expected\n", string(out))
}

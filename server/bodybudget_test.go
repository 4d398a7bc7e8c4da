package server

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBodyBudget(t *testing.T) {
	const mib = 1 << 20
	var b bodyBudget
	now := time.Unix(1_700_000_000, 0)
	for range maxAnnouncedBytes / (4 * mib) {
		require.True(t, b.take(4*mib, now))
	}
	require.False(t, b.take(4*mib, now), "as much as may be announced")
	require.True(t, b.take(smallBody, now), "small bodies do not count")
	b.give(4 * mib)
	require.True(t, b.take(4*mib, now.Add(time.Second)), "what is handled makes room")
	require.False(t, b.take(4*mib, now.Add(time.Second)))
	// Five seconds later the read timeout has ended those that never came.
	later := now.Add(time.Duration(budgetSeconds) * time.Second)
	require.True(t, b.take(maxAnnouncedBytes-4*mib, later))
	require.False(t, b.take(4*mib+1, later), "the one that was announced a second later still counts")
	require.True(t, b.take(maxAnnouncedBytes, later.Add(time.Hour)))
	b.give(2 * maxAnnouncedBytes)
	require.True(t, b.take(maxAnnouncedBytes, later.Add(time.Hour)))
}

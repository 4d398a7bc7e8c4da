package admission_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/admission"
	"portcullis/engine"
)

func TestATokenThatIsRefusedTooOftenIsToldToStop(t *testing.T) {
	r := admission.NewRefusals(0)
	token := []byte("a.b.c")
	for i := range 10 {
		require.Equal(t, engine.ErrTokenExpired, r.Answer(token, engine.ErrTokenExpired, now+engine.UnixMilli(i)))
	}
	require.Equal(t, engine.ErrRefusals, r.Answer(token, engine.ErrTokenExpired, now+10))
	require.Equal(t, engine.ErrRefusals, r.Answer(token, engine.ErrSignature, now+admission.RefusalWindow-1))
	require.Equal(t, engine.ErrTokenExpired, r.Answer([]byte("a.b.d"), engine.ErrTokenExpired, now+10), "another token")
	require.Equal(t, engine.ErrTokenExpired, r.Answer(token, engine.ErrTokenExpired, now+admission.RefusalWindow), "a window later")
}

func TestOnlyRefusalsThatMakeSDKsRenewAreCounted(t *testing.T) {
	r := admission.NewRefusals(1)
	for range 5 {
		for _, err := range []error{engine.ErrCapabilityDenied, engine.ErrSecret, engine.ErrTTL, engine.ErrUnknownKey} {
			require.Equal(t, err, r.Answer([]byte("a.b.c"), err, now))
		}
	}
	require.Equal(t, engine.ErrSignature, r.Answer([]byte("a.b.c"), engine.ErrSignature, now))
	require.Equal(t, engine.ErrRefusals, r.Answer([]byte("a.b.c"), engine.ErrSignature, now))
}

func TestManyTokensDoNotMakeARepeatedOneForgotten(t *testing.T) {
	r := admission.NewRefusals(0)
	stopped := 0
	for i := range 100_000 {
		_ = r.Answer(fmt.Appendf(nil, "garbage.%d.x", i), engine.ErrSignature, now)
		if i%1000 == 0 && r.Answer([]byte("a.b.c"), engine.ErrTokenExpired, now) == engine.ErrRefusals {
			stopped++
		}
	}
	require.Equal(t, 90, stopped)
}

func TestAnsweringAllocatesNothing(t *testing.T) {
	r := admission.NewRefusals(0)
	token := []byte("a.b.c")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if r.Answer(token, engine.ErrSignature, now) == nil {
			t.Error("admitted")
		}
	}))
}

package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"portcullis/store"
)

// Run runs the suite.
func Run(t *testing.T, subject Subject) {
	tests := []struct {
		name string
		run  func(*suite)
	}{
		{"a nonce is spent once", onceOnly},
		{"a nonce is remembered until its expiry and no longer", untilExpiry},
		{"a nonce may come again after its expiry", again},
		{"a clock that is put back revives no nonce", clockPutBack},
		{"of many that spend one nonce one is first", oneWinner},
		{"nonces are told apart by every bit", everyBit},
		{"a context that is over spends nothing", contextOver},
		{"a write that is held up is unknown in time", heldUp},
		{"revocations are a set", revocationsAreASet},
		{"revocations are told from the begin and as they come", revocationsAreTold},
		{"revocations are forgotten after their retention", revocationsEnd},
		{"revocations of a service's tokens say how long they are kept", serviceRevocationsEnd},
		{"what is remembered for a month is spent once", forAMonth},
		{"records are created, replaced and deleted", records},
		{"of many that create one record one does", oneCreator},
		{"a bucket's records are its own", bucketsAreApart},
		{"records are told from the begin and as they change", recordsAreTold},
		{"values are copies", valuesAreCopies},
		{"limits", limits},
		{"a closed store does nothing", closed},
		{"everything acknowledged is there when it is opened again", survives},
		{"all at once", allAtOnce},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			leaks := goleak.IgnoreCurrent()
			s := &suite{T: t, subject: subject, dir: t.TempDir(), clock: NewClock()}
			s.open()
			test.run(s)
			if err := s.store.Close(); err != nil {
				require.ErrorIs(t, err, store.ErrClosed, "only the test of closing has closed it")
			}
			goleak.VerifyNone(t, leaks)
		})
	}
}

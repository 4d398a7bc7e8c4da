package memory

import (
	"testing"

	"portcullis/engine"
	"portcullis/store"
	"portcullis/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, storetest.Subject{
		Open: func(_ testing.TB, _ string, now func() engine.UnixMilli) store.Store { return New(Options{Now: now}) },
	})
}

func BenchmarkSpend(b *testing.B) {
	storetest.Bench(b, func(testing.TB, string) store.Store { return New(Options{}) })
}

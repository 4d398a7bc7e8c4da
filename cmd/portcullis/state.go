package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"portcullis/engine"
	"portcullis/store"
	"portcullis/store/bolt"
	"portcullis/store/memory"
)

// openStore opens the store that a configuration names: memory: or bolt:PATH.
func openStore(spec string, log *slog.Logger) (store.Store, error) {
	kind, rest, _ := strings.Cut(spec, ":")
	switch {
	case kind == "memory" && rest == "":
		return memory.New(memory.Options{}), nil
	case kind == "bolt" && rest != "":
		s, err := bolt.Open(bolt.Options{Path: rest, Log: log})
		if err != nil {
			return nil, fail(exitConfig, fmt.Errorf("store %s: %w", spec, err))
		}
		return s, nil
	}
	return nil, failf(exitConfig, "store %q is neither memory: nor bolt:PATH", spec)
}

// sealOr returns the configured sealing secrets, or those of the store when none
// are configured.
func sealOr(configured, stored []engine.SealSecret) []engine.SealSecret {
	if len(configured) > 0 {
		return configured
	}
	return stored
}

// sealTimeout bounds how long a start waits for its sealing secret.
const sealTimeout = 10 * time.Second

// storedSeal returns the sealing secrets that the store keeps, newest first. When
// there is none it makes one, so that tokens survive a restart and every node on
// the store opens what any of them has sealed.
func storedSeal(st store.Store) ([]engine.SealSecret, error) {
	secrets, err := readSeal(st)
	if err != nil || len(secrets) > 0 {
		return secrets, err
	}
	text := rand.Text() + rand.Text()
	ctx, cancel := context.WithTimeout(context.Background(), sealTimeout)
	defer cancel()
	name := strconv.FormatInt(int64(engine.Now()), 10)
	err = st.Put(ctx, store.SealSecrets, name, []byte(text), true)
	if errors.Is(err, store.ErrExists) { // another node was faster: its secret counts
		var value []byte
		value, err = st.Get(ctx, store.SealSecrets, name)
		text = string(value)
	}
	if err != nil {
		return nil, fmt.Errorf("keeping a sealing secret: %w", err)
	}
	secret, err := engine.NewSealSecret(engine.Secret(text))
	return []engine.SealSecret{secret}, err
}

// readSeal reads the sealing secrets of a store. They are named by when they were
// made.
func readSeal(st store.Store) ([]engine.SealSecret, error) {
	type named struct {
		name, text string
	}
	var all []named
	err := st.Watch(store.SealSecrets, func(name string, value []byte) {
		if value != nil {
			all = append(all, named{name, string(value)})
		}
	})
	if err != nil {
		return nil, fmt.Errorf("reading the sealing secrets: %w", err)
	}
	slices.SortFunc(all, func(a, b named) int { return cmp.Compare(b.name, a.name) })
	var secrets []engine.SealSecret
	for _, n := range all {
		secret, err := engine.NewSealSecret(engine.Secret(n.text))
		if err != nil {
			return nil, fmt.Errorf("sealing secret %s of the store: %w", n.name, err)
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

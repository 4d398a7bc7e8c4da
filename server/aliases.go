package server

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/encoding/json"

	"portcullis/engine"
	"portcullis/oauth"
	"portcullis/store"
)

// aliasBudget bounds how long a change of the services waits for the store.
const aliasBudget = 10 * time.Second

// services are the authorization services, and what is remembered of their aliases.
type services struct {
	*oauth.Provider
	introspections sync.Pool // of *oauth.Introspection

	configuring sync.Mutex                   // serialises ConfigureServices
	mu          sync.Mutex                   // over what follows
	aliases     map[string]oauth.AliasRecord // by name; nil until they are watched
}

func (s *services) init(v *engine.Verifier, st store.Store) {
	s.Provider = oauth.NewProvider(v, st)
	s.introspections.New = func() any { return new(oauth.Introspection) }
}

// CheckServices says why ConfigureServices would refuse services. Which client an
// alias belongs to, or belonged to until lately, is kept in the store: a token that
// names it means that client, and no other may have it yet.
func (s *Server) CheckServices(services []oauth.ServiceConfig, rules oauth.Rules) error {
	s.services.configuring.Lock()
	defer s.services.configuring.Unlock()
	_, err := s.reconcile(services, rules)
	return err
}

// ConfigureServices makes services the present ones, all of it or, after an error,
// nothing.
func (s *Server) ConfigureServices(services []oauth.ServiceConfig, rules oauth.Rules) error {
	s.services.configuring.Lock()
	defer s.services.configuring.Unlock()
	history, err := s.reconcile(services, rules)
	if err != nil {
		return err
	}
	if err := s.services.Replace(services, rules, history.Retired); err != nil {
		return err
	}
	s.keepAliases(history)
	return nil
}

// reconcile checks services. The caller holds configuring.
func (s *Server) reconcile(services []oauth.ServiceConfig, rules oauth.Rules) (oauth.History, error) {
	switch faults, _ := oauth.Check(services, rules); {
	case len(faults) > 0:
		return oauth.History{}, faults[0]
	case s.options.Store == nil && len(services) == 0:
		return oauth.History{}, nil
	case s.options.Store == nil:
		return oauth.History{}, errors.New("server: services need a store")
	}
	kept, err := s.keptAliases()
	if err != nil {
		return oauth.History{}, err
	}
	history := oauth.Reconcile(services, kept, s.now())
	return history, history.Fault
}

// keepAliases writes down what has changed. The services are in force: what is not
// written is tried again when they are configured next.
func (s *Server) keepAliases(history oauth.History) {
	ctx, cancel := context.WithTimeout(context.Background(), aliasBudget)
	defer cancel()
	var errs []error
	for _, r := range history.Changed {
		value, err := json.Marshal(r)
		if err == nil {
			err = s.options.Store.Put(ctx, store.Aliases, aliasName(r), value, false)
		}
		errs = append(errs, err)
	}
	for _, r := range history.Over {
		errs = append(errs, s.options.Store.Delete(ctx, store.Aliases, aliasName(r)))
	}
	if err := errors.Join(errs...); err != nil {
		s.log.Error("aliases not kept: a client that gives one up could lose its tokens to the next", "error", err)
	}
}

// aliasName is the name of a record: an alias may be longer than a name.
func aliasName(r oauth.AliasRecord) string {
	service := strconv.FormatUint(r.Service, 10)
	hash := engine.NonceKey(service+"/alias", []byte(r.Alias))
	return service + "/" + hex.EncodeToString(hash[:])
}

// keptAliases returns what the store has kept of aliases. The first time it begins to
// watch them: other nodes keep theirs too. The caller holds configuring.
func (s *Server) keptAliases() ([]oauth.AliasRecord, error) {
	if s.services.aliases == nil {
		s.services.aliases = make(map[string]oauth.AliasRecord)
		if err := s.options.Store.Watch(store.Aliases, s.aliasKept); err != nil {
			s.services.aliases = nil
			return nil, fmt.Errorf("server: aliases: %w", err)
		}
	}
	s.services.mu.Lock()
	defer s.services.mu.Unlock()
	return slices.Collect(maps.Values(s.services.aliases)), nil
}

// aliasKept notes a record that the store has kept, or deleted.
func (s *Server) aliasKept(name string, value []byte) {
	s.services.mu.Lock()
	defer s.services.mu.Unlock()
	var r oauth.AliasRecord
	switch {
	case value == nil:
		delete(s.services.aliases, name)
	case json.Unmarshal(value, &r) != nil:
		s.log.Error("an alias in the store is left out", "name", name)
	default:
		s.services.aliases[name] = r
	}
}

package engine

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"portcullis/capability"
	"portcullis/internal/hs256"
)

// keyring is one immutable snapshot of all keys and of what is asked of tokens.
type keyring struct {
	rules TokenRules
	seal  []SealSecret
	keys  map[string]*keyRecord
	apps  map[string]struct{}
}

// keyRecord is one configured key, prepared. It is immutable but for what is
// atomic: when the configuration changes the key, a new record takes its place.
type keyRecord struct {
	Key
	rules      TokenRules
	mac        *hs256.Key
	secretHash [sha256.Size]byte
	whole      *effective // the key's own capability
	sealers    sealers
	maxTTL     UnixMilli

	// retired says that another record, or none, has taken this one's place:
	// what the cache keeps of it no longer counts.
	retired  atomic.Bool
	ledger   *ledger
	interned internTable
}

// ledger is what outlives a change of a key's configuration.
type ledger struct {
	revocations atomic.Pointer[revocationSet]
	withdrawn   atomic.Pointer[withdrawnSet] // of a service's tokens; nil as long as none was
	cachedBytes atomic.Int64
	lastUsed    atomic.Int64 // UnixMilli

	// The key as it is configured now, nil when it is not.
	present atomic.Pointer[keyRecord]
}

// use notes that a credential of the key was admitted, once a second at most.
func (l *ledger) use(now UnixMilli) {
	if last := l.lastUsed.Load(); int64(now) >= last+1000 {
		l.lastUsed.Store(int64(now))
	}
}

// keyStore holds the present keyring and replaces it.
type keyStore struct {
	ring    atomic.Pointer[keyring]
	mu      sync.Mutex // serialises replace, PrepareServices and ledgerOf
	ledgers map[string]*ledger

	services map[string]*ServiceKey // that were prepared last, by id
}

// replace makes keys and rules the present ones, all of it or nothing. Records of
// keys for which nothing has changed stay, and with them what is cached.
func (s *keyStore) replace(keys []Key, rules TokenRules, seal []SealSecret) error {
	if rules.MaxTTL < 0 || rules.RevocableMaxTTL < 0 {
		return errors.New("engine: a negative lifetime")
	}
	if rules.MaxTTL == 0 {
		rules.MaxTTL = DefaultMaxTTL
	}
	if rules.RevocableMaxTTL == 0 {
		rules.RevocableMaxTTL = DefaultRevocableMaxTTL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.swap(keys, rules, seal)
}

// replaceKeys is replace under the present rules and sealing secrets.
func (s *keyStore) replaceKeys(keys []Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ring := s.ring.Load()
	return s.swap(keys, ring.rules, ring.seal)
}

// swap is replace for a caller that holds mu; the rules are complete.
func (s *keyStore) swap(keys []Key, rules TokenRules, seal []SealSecret) error {
	next := &keyring{rules: rules, seal: slices.Clone(seal), keys: make(map[string]*keyRecord, len(keys)), apps: make(map[string]struct{})}
	old := s.ring.Load()
	for i := range keys {
		k := keys[i]
		if err := k.validate(rules.AllowWeakSecrets); err != nil {
			return fmt.Errorf("engine: key %d (%q): %w", i, k.Name, err)
		}
		if next.keys[k.Name] != nil {
			return fmt.Errorf("engine: key %d (%q): %w", i, k.Name, errDuplicateKey)
		}
		record := unchanged(old, &k, next)
		if record == nil {
			var err error
			if record, err = s.prepare(k, rules, next.seal); err != nil {
				return err
			}
		}
		next.keys[k.Name] = record
		next.apps[string(appOf([]byte(k.Name)))] = struct{}{}
	}
	for _, record := range next.keys {
		record.ledger.present.Store(record) // before anybody can verify by it
	}
	s.ring.Store(next)
	if old != nil {
		for name, record := range old.keys {
			if next.keys[name] == record {
				continue
			}
			record.retired.Store(true)
			if next.keys[name] != nil {
				continue
			}
			record.ledger.present.Store(nil)
			if record.ledger.revocations.Load() == noRevocations {
				delete(s.ledgers, name) // sandbox keys come and go
			}
		}
	}
	return nil
}

func (s *keyStore) prepare(k Key, rules TokenRules, seal []SealSecret) (*keyRecord, error) {
	k.Capability = orEveryChannel(k.Capability).Clone()
	k.Restrictions = Restrictions{slices.Clone(k.Restrictions.Origins), slices.Clone(k.Restrictions.IPs)}
	r := &keyRecord{
		Key:        k,
		rules:      rules,
		mac:        hs256.NewKey([]byte(k.Secret)),
		secretHash: sha256.Sum256([]byte(k.Secret)),
		whole:      newEffective(k.Capability),
		maxTTL:     UnixMilli(rules.MaxTTL.Milliseconds()),
		ledger:     s.ledgerOf(k.Name),
	}
	if k.RevocableTokens {
		r.maxTTL = min(r.maxTTL, UnixMilli(rules.RevocableMaxTTL.Milliseconds()))
	}
	var err error
	r.sealers, err = prepareSealers(seal, &k)
	return r, err
}

// ledgerOf returns the ledger of the key of that name. The caller holds mu.
func (s *keyStore) ledgerOf(name string) *ledger {
	l := s.ledgers[name]
	if l == nil {
		l = new(ledger)
		l.revocations.Store(noRevocations)
		if s.ledgers == nil {
			s.ledgers = make(map[string]*ledger)
		}
		s.ledgers[name] = l
	}
	return l
}

// unchanged returns the old record of k, if there is one and it would be prepared
// in the same way now; otherwise nil.
func unchanged(old *keyring, k *Key, next *keyring) *keyRecord {
	if old == nil {
		return nil
	}
	r := old.keys[k.Name]
	same := r != nil && old.rules == next.rules && slices.EqualFunc(old.seal, next.seal, SealSecret.equal) &&
		r.Secret == k.Secret && r.RevocableTokens == k.RevocableTokens && r.State == k.State && r.NotAfter == k.NotAfter &&
		r.Since == k.Since && r.Sandbox == k.Sandbox && r.Restrictions.equal(&k.Restrictions) && r.whole.text == orEveryChannel(k.Capability).String()
	if !same {
		return nil
	}
	return r
}

func orEveryChannel(set *capability.Set) *capability.Set {
	if set == nil {
		return everyChannel
	}
	return set
}

// usable says why the key is good for nothing at now, or nil.
func (r *keyRecord) usable(now UnixMilli) *ErrorInfo {
	switch {
	case r.State == Disabled:
		return ErrKeyDisabled
	case r.State == Revoked:
		return ErrKeyRevoked
	case r.NotAfter != 0 && now >= r.NotAfter:
		return ErrKeyExpired
	}
	return nil
}

// everyChannel is the capability of a key that is configured without one.
var everyChannel = func() *capability.Set {
	s, err := capability.Parse([]byte(`{"*":["*"]}`))
	if err != nil {
		panic(err)
	}
	return s
}()

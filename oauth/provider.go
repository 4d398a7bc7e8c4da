package oauth

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"portcullis/engine"
)

// State keeps what is used up and what is revoked. A store.Store is one.
type State interface {
	engine.Spender
	// AppendRevocations keeps revocations of a service's tokens; when it returns nil
	// they are durable.
	AppendRevocations(ctx context.Context, keyName string, revocations []engine.Revocation) error
}

// Provider holds the present services. It is safe for concurrent use.
type Provider struct {
	verifier *engine.Verifier
	state    State

	mu       sync.Mutex // serialises Replace
	registry atomic.Pointer[registry]
	throttle throttle
	unkept   unkept
}

// registry is one immutable snapshot of all services.
type registry struct {
	services map[string]*Service            // by decimal id
	bearers  map[engine.SecretHash]*Service // by what their callers present
}

// NewProvider returns a Provider without services.
func NewProvider(v *engine.Verifier, state State) *Provider {
	p := &Provider{verifier: v, state: state}
	p.registry.Store(new(registry))
	return p
}

// Replace makes services the present ones, all of it or, after an error, nothing.
// retired are aliases that the clients had before and that the configuration need
// not know of. A call that has begun goes on with the services that it began with.
func (p *Provider) Replace(services []ServiceConfig, rules Rules, retired []RetiredAlias) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if faults, _ := Check(services, rules); len(faults) > 0 {
		return faults[0]
	}
	next := &registry{services: make(map[string]*Service), bearers: make(map[engine.SecretHash]*Service)}
	keys := make([]engine.Service, len(services))
	for i := range services {
		keys[i] = services[i].key()
	}
	prepared, err := p.verifier.PrepareServices(keys)
	if err != nil {
		return err
	}
	for i := range services {
		s := newService(p, services[i], prepared[i], retired)
		next.services[s.id] = s
		if s.config.AccessToken != "" {
			next.bearers[s.config.AccessToken.Hash()] = s
		}
	}
	p.registry.Store(next)
	return nil
}

func (c *ServiceConfig) key() engine.Service {
	return engine.Service{ID: strconv.FormatUint(c.ID, 10), Issuer: c.Issuer, Audience: orText(c.Audience, c.Issuer), TokenSecret: c.TokenSecret, Profile: c.Profile}
}

func newService(p *Provider, c ServiceConfig, key *engine.ServiceKey, retired []RetiredAlias) *Service {
	c.CodeTTL = orDefault(c.CodeTTL, DefaultCodeTTL)
	c.AccessTokenTTL = orDefault(c.AccessTokenTTL, DefaultAccessTokenTTL)
	c.RefreshTokenTTL = orDefault(c.RefreshTokenTTL, DefaultRefreshTokenTTL)
	s := &Service{
		provider: p, config: &c, id: key.ID, key: key, secret: c.APISecret.Hash(),
		clients: make(map[string]*client), names: make(map[string]identified), spoken: make(map[string]identified),
	}
	for i := range c.Clients {
		k := &client{ClientConfig: &c.Clients[i], number: strconv.FormatUint(c.Clients[i].ID, 10), grants: c.Clients[i].grantTypes()}
		if k.Type == Confidential {
			k.secret = k.Secret.Hash()
		}
		s.clients[k.number] = k
		s.names[k.number] = identified{client: k}
		if c.ClientIDAliasEnabled && k.AliasEnabled && k.Alias != k.number {
			k.alias = k.Alias
		}
	}
	for _, k := range s.clients {
		// Both switches are for requests: a token that was issued stays what it was.
		for _, alias := range append([]string{k.Alias}, k.RetiredAliases...) {
			if alias != "" && s.clients[alias] == nil {
				s.spoken[alias] = identified{k, true}
			}
		}
		if k.alias != "" {
			s.names[k.alias] = identified{k, true}
		}
	}
	for _, r := range retired {
		if r.Service != c.ID {
			continue
		}
		k := s.clients[strconv.FormatUint(r.Client, 10)]
		if k != nil && s.names[r.Alias].client == nil && s.spoken[r.Alias].client == nil {
			s.spoken[r.Alias] = identified{k, true}
		}
	}
	return s
}

func orDefault[T ~int64](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

func orText(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// Why a caller is refused.
var errCaller = &RequestError{Result: ResultCaller}

// ByKey returns the service whose id and api secret a caller presents. An id that
// is not there costs what a wrong secret costs.
func (p *Provider) ByKey(id, secret string) (*Service, error) {
	s := p.registry.Load().services[id]
	hash := engine.SecretHash{}
	if s != nil {
		hash = s.secret
	}
	if !hash.Equal(secret) || s == nil {
		return nil, errCaller
	}
	return s, nil
}

// ByToken returns the service whose access token a caller presents. It is looked up
// by its hash, so how long that takes says nothing of how much of it is right.
func (p *Provider) ByToken(token string) (*Service, error) {
	if s := p.registry.Load().bearers[engine.Secret(token).Hash()]; s != nil && token != "" {
		return s, nil
	}
	return nil, errCaller
}

// spend spends what may be used once, from its issue to its expiry.
func (s *Service) spend(ctx context.Context, kind, id string, issued, expires engine.UnixMilli) engine.SpendOutcome {
	outcome, _ := s.provider.state.Spend(ctx, &engine.Nonce{
		Key: engine.NonceKey(s.id+"/"+kind, []byte(id)), Stamped: issued, Expires: expires.Add(spentSlack),
		// It can have been spent only since it was issued, so nothing that was lost
		// before that matters; but another node's clock may have stamped it.
		Since: issued.Add(-spentSlack),
	})
	return outcome
}

// spentSlack is twice what the clocks of two nodes may differ by.
const spentSlack = engine.NonceSlack * time.Millisecond

// revoke revokes tokens of the service: here at once, and for good when it returns
// nil. What could not be kept is tried again with what comes next.
func (s *Service) revoke(ctx context.Context, target engine.RevocationTarget, value string, until, now engine.UnixMilli) error {
	r := engine.Revocation{Target: target, Value: value, IssuedBefore: until, AppliesAt: now}
	s.provider.verifier.Revoke(s.key.RevocationName(), r)
	return s.keep(ctx, append(s.provider.unkept.take(s.id), r))
}

func (s *Service) keep(ctx context.Context, revocations []engine.Revocation) error {
	err := s.provider.state.AppendRevocations(ctx, s.key.RevocationName(), revocations)
	if err != nil {
		s.provider.unkept.put(s.id, revocations)
	}
	return err
}

// revokeFamily revokes all that came from one authorization, for as long as any of it
// can live: nothing is issued to the family any more.
func (s *Service) revokeFamily(ctx context.Context, family string, now engine.UnixMilli) error {
	longest := max(s.config.RefreshTokenTTL, s.config.CodeTTL) + s.config.AccessTokenTTL
	return s.revoke(ctx, engine.RevokeFamily, family, now.Add(longest), now)
}

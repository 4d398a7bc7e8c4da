package push_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/push"
	"portcullis/store"
)

var ctx = context.Background()

func TestARegistrationGivesADeviceToken(t *testing.T) {
	w := newWorld(t)
	var token engine.DeviceTokenDetails
	d, err := w.Register(ctx, w.caller("app.key", "alice", ""), phone("d1", "alice", "s3cret"), &token, now)
	require.NoError(t, err)
	require.Equal(t, phone("d1", "alice", "").Details, d)
	require.Equal(t, [2]engine.UnixMilli{now, now + fiveYear}, [2]engine.UnixMilli{token.Issued, token.Expires})
	require.Equal(t, []string{"app.key", "alice", "d1", `{"*":["push-subscribe"]}`}, []string{token.KeyName, string(token.ClientID), string(token.DeviceID), string(token.Capability)})

	require.NoError(t, w.good(string(token.Token), now+fiveYear-1))
	require.ErrorIs(t, w.good(string(token.Token), now+fiveYear), engine.ErrDeviceTokenExpired)
	w.reload()
	require.NoError(t, w.good(string(token.Token), now), "it outlives the process")
	for name, value := range w.store.records {
		require.NotContains(t, string(value), "s3cret", "only its hash is kept")
		require.NotContains(t, string(value), string(token.Token))
		require.LessOrEqual(t, len(name), store.MaxNameBytes)
	}
}

// Who a registration is for (spec §5): push-subscribe registers for its own clientId,
// push-admin for any.
func TestWhoMayRegister(t *testing.T) {
	for name, c := range map[string]struct {
		clientID, rights, named string
		want                    string // the registration's clientId
		err                     error
	}{
		"alice as alice":                 {"alice", "", "alice", "alice", nil},
		"alice as nobody in particular":  {"alice", "", "", "alice", nil},
		"alice as bob":                   {"alice", "", "bob", "", engine.ErrOperationClientID},
		"nobody as nobody":               {"", "", "", "", nil},
		"nobody as alice":                {"", "", "alice", "", engine.ErrOperationClientID},
		"anybody as alice":               {"*", "", "alice", "alice", nil},
		"anybody as nobody":              {"*", "", "", "", nil},
		"anybody as everybody":           {"*", "", "*", "", engine.ErrRequestClientID},
		"push-admin as alice":            {"", `{"a":["push-admin"]}`, "alice", "alice", nil},
		"push-admin, who is bob":         {"bob", `{"a":["push-admin"]}`, "alice", "alice", nil},
		"push-admin as nobody":           {"bob", `{"a":["push-admin"]}`, "", "", nil},
		"push-subscribe on one channel":  {"alice", `{"a":["push-subscribe"]}`, "", "alice", nil},
		"push-subscribe on anything":     {"alice", `{"[*]*":["push-subscribe"]}`, "", "alice", nil},
		"all operations":                 {"", `{"a":["*"]}`, "alice", "alice", nil},
		"push-subscribe on metachannels": {"alice", `{"[meta]*":["push-subscribe"]}`, "", "", engine.ErrCapabilityDenied},
		"push-admin on queues":           {"alice", `{"[queue]*":["push-admin"]}`, "", "", engine.ErrCapabilityDenied},
		"subscribe is not enough":        {"alice", `{"*":["subscribe","publish","presence","history"]}`, "", "", engine.ErrCapabilityDenied},
	} {
		w := newWorld(t)
		if strings.Contains(c.rights, "[") && !strings.Contains(c.rights, `{"a`) {
			w = newWorldOf(t, `{"[*]*":["*"]}`)
		}
		var token engine.DeviceTokenDetails
		d, err := w.Register(ctx, w.caller("app.key", c.clientID, c.rights), phone("d1", c.named, "s"), &token, now)
		if c.err != nil {
			require.ErrorIs(t, err, c.err, name)
			require.Empty(t, w.store.records, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, c.want, d.ClientID, name)
		require.Equal(t, c.want, string(token.ClientID), name)
	}
}

// Each way to take the place of a registration, and each that is refused (spec §0.32).
func TestWhoMayReplaceARegistration(t *testing.T) {
	type setting struct {
		*world
		token string // of the registration of d1, which is alice's
		stale string // of the one before
		other string // of another device of alice's
		alien string // of the device of that id in another app
	}
	for name, c := range map[string]struct {
		caller func(s setting) *push.Caller
		secret string // in the body
		err    error
	}{
		"push-admin":                              {func(s setting) *push.Caller { return s.admin() }, "", nil},
		"push-admin with another secret":          {func(s setting) *push.Caller { return s.admin() }, "another", nil},
		"the same deviceSecret":                   {func(s setting) *push.Caller { return s.caller("app.key", "alice", "") }, "secret", nil},
		"the same deviceSecret, another key":      {func(s setting) *push.Caller { return s.caller("app.second", "alice", "") }, "secret", nil},
		"the same deviceSecret in the header":     {func(s setting) *push.Caller { return secretly(s.caller("app.key", "alice", ""), "secret") }, "", nil},
		"a new secret by the old":                 {func(s setting) *push.Caller { return secretly(s.caller("app.key", "alice", ""), "secret") }, "new", nil},
		"its device token":                        {func(s setting) *push.Caller { return s.with(s.caller("app.key", "alice", ""), s.token, now) }, "", nil},
		"its device token, another key":           {func(s setting) *push.Caller { return s.with(s.caller("app.second", "alice", ""), s.token, now) }, "new", nil},
		"the same deviceSecret, another client":   {func(s setting) *push.Caller { return s.caller("app.key", "bob", "") }, "secret", nil},
		"nothing":                                 {func(s setting) *push.Caller { return s.caller("app.key", "alice", "") }, "", engine.ErrDeviceProof},
		"another deviceSecret":                    {func(s setting) *push.Caller { return s.caller("app.key", "alice", "") }, "Secret", engine.ErrDeviceSecret},
		"another deviceSecret in the header":      {func(s setting) *push.Caller { return secretly(s.caller("app.key", "alice", ""), "x") }, "secret", engine.ErrDeviceSecret},
		"the hash of the secret":                  {func(s setting) *push.Caller { return s.caller("app.key", "alice", "") }, "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", engine.ErrDeviceSecret},
		"a device token of the one before":        {func(s setting) *push.Caller { return s.with(s.caller("app.key", "alice", ""), s.stale, now) }, "secret", engine.ErrDeviceTokenStale},
		"a device token of another device":        {func(s setting) *push.Caller { return s.with(s.caller("app.key", "alice", ""), s.other, now) }, "secret", engine.ErrDeviceTokenForeign},
		"that of another device, with push-admin": {func(s setting) *push.Caller { return s.with(s.admin(), s.other, now) }, "secret", engine.ErrDeviceTokenForeign},
		"a device token of another app":           {func(s setting) *push.Caller { return s.with(s.caller("app.key", "alice", ""), s.alien, now) }, "secret", engine.ErrDeviceTokenForeign},
		"that of another app, with push-admin":    {func(s setting) *push.Caller { return s.with(s.admin(), s.alien, now) }, "secret", engine.ErrDeviceTokenForeign},
		"its device token alone":                  {func(s setting) *push.Caller { return s.alone(s.token, now) }, "secret", engine.ErrDeviceTokenForeign},
		"without push-subscribe": {func(s setting) *push.Caller {
			return s.with(s.caller("app.key", "alice", `{"*":["publish"]}`), s.token, now)
		}, "secret", engine.ErrCapabilityDenied},
	} {
		s := setting{world: newWorld(t)}
		alice := s.caller("app.key", "alice", "")
		s.stale = s.register(alice, phone("d1", "alice", "secret"), now-1)
		s.token = s.register(alice, phone("d1", "alice", "secret"), now-1)
		s.other = s.register(alice, phone("d2", "alice", "secret"), now-1)
		s.alien = s.register(s.caller("other.key", "alice", ""), phone("d1", "alice", "secret"), now-1)
		before := len(s.store.records)

		caller := c.caller(s)
		clientID := string(caller.Identity.ID)
		fresh, err := s.tryRegister(caller, phone("d1", clientID, c.secret), now)
		require.Len(t, s.store.records, before, name)
		if c.err != nil {
			require.ErrorIs(t, err, c.err, name)
			require.NoError(t, s.good(s.token, now), "%s: the registration is as it was", name)
			continue
		}
		require.NoError(t, err, name)
		require.NoError(t, s.good(fresh, now), name)
		require.ErrorIs(t, s.good(s.token, now), engine.ErrDeviceTokenStale, "%s: the token of before is dead", name)
		require.NoError(t, s.good(s.other, now), name)
		require.NoError(t, s.good(s.alien, now), name)
		// And which deviceSecret it is that proves the device from here on.
		want := c.secret
		if want == "" && clientID == "alice" {
			want = "secret" // proven by the device itself
		}
		for _, try := range []string{"secret", "new", "another"} {
			_, err := s.Device(secretly(s.caller("app.key", "*", ""), try), "d1", now)
			if try == want {
				require.NoError(t, err, "%s: %s", name, try)
			} else {
				require.ErrorIs(t, err, engine.ErrDeviceSecret, "%s: %s", name, try)
			}
		}
	}
}

func TestADeviceTokenDiesWithItsRegistration(t *testing.T) {
	for name, end := range map[string]func(w *world, token string) error{
		"deleted by itself": func(w *world, token string) error { return w.Remove(ctx, w.alone(token, now), "d1", now) },
		"deleted beside": func(w *world, token string) error {
			return w.Remove(ctx, w.with(w.caller("app.key", "alice", ""), token, now), "d1", now)
		},
		"deleted by its secret": func(w *world, token string) error {
			return w.Remove(ctx, secretly(w.caller("app.key", "alice", ""), "secret"), "d1", now)
		},
		"deleted by push-admin":      func(w *world, token string) error { return w.Remove(ctx, w.admin(), "d1", now) },
		"deleted with the clientId":  func(w *world, token string) error { return w.RemoveClient(ctx, w.admin(), "alice", now) },
		"its app is gone":            func(w *world, token string) error { return w.ForgetApp(ctx, "app") },
		"deleted and made anew":      func(w *world, token string) error { return remake(w) },
		"given to another client":    func(w *world, token string) error { return w.update(w.admin(), "bob", "") },
		"given another deviceSecret": func(w *world, token string) error { return w.update(w.admin(), "alice", "another") },
		"its clientId is revoked":    func(w *world, token string) error { return w.revoke("app.key", "alice", now+1, now) },
	} {
		w := newWorld(t)
		token := w.register(w.caller("app.key", "alice", ""), phone("d1", "alice", "secret"), now)
		require.NoError(t, w.good(token, now), name)
		require.NoError(t, end(w, token), name)
		for range 2 {
			// Without the Verifier's memory of the revocation, which ends after an hour.
			require.Error(t, w.stands(token, "d1", now), name)
			require.Equal(t, 40100, w.stands(token, "d1", now).(*engine.ErrorInfo).Code, name)
			w.reload()
		}
	}
}

// stands says whether a device token that has been verified, without regard to any
// revocation that the Verifier remembers, is good on a registration.
func (w *world) stands(token, id string, at engine.UnixMilli) error {
	w.t.Helper()
	seal, err := engine.NewSealSecret("a sealing secret of at least 32 bytes")
	require.NoError(w.t, err)
	v, err := engine.NewVerifier(engine.Options{Keys: w.keys, Seal: []engine.SealSecret{seal}})
	require.NoError(w.t, err)
	d := new(engine.DeviceGrant)
	require.NoError(w.t, v.VerifyDeviceToken(d, []byte(token), at))
	g := new(engine.Grant)
	require.NoError(w.t, v.VerifyKey(g, []byte("app.second:"+secret), at))
	_, err = w.Device(&push.Caller{Grant: g, Identity: g.Identity(), Device: d}, id, at)
	return err
}

func remake(w *world) error {
	if err := w.Remove(ctx, w.admin(), "d1", now); err != nil {
		return err
	}
	_, err := w.tryRegister(w.caller("app.key", "alice", ""), phone("d1", "alice", "secret"), now)
	return err
}

func (w *world) update(c *push.Caller, clientID, secret string) error {
	var token engine.DeviceTokenDetails
	_, _, err := w.Update(ctx, c, phone("d1", clientID, secret), true, &token, now)
	if err == nil && len(token.Token) == 0 {
		return fmt.Errorf("no device token was issued")
	}
	return err
}

func (w *world) revoke(key, clientID string, issuedBefore, appliesAt engine.UnixMilli) error {
	r := engine.Revocation{Target: engine.RevokeClientID, Value: clientID, IssuedBefore: issuedBefore, AppliesAt: appliesAt}
	w.verifier.Revoke(key, r)
	return w.Revoke(ctx, key, []engine.Revocation{r})
}

// A clientId revocation is remembered for an hour and ends a device token for good:
// that of a key's tokens, issued before, of that clientId.
func TestARevocationEndsDeviceTokensForGood(t *testing.T) {
	for name, c := range map[string]struct {
		key, clientID           string
		issuedBefore, appliesAt engine.UnixMilli
		diesAt                  engine.UnixMilli // 0: it does not
	}{
		"now":                  {"app.key", "alice", now + 1, now + 1, now + 1},
		"with a margin":        {"app.key", "alice", now + 1, now + 30_001, now + 30_001},
		"of another clientId":  {"app.key", "bob", now + 1, now, 0},
		"of another key":       {"app.second", "alice", now + 1, now, 0},
		"of another app's key": {"other.key", "alice", now + 1, now, 0},
		"from before":          {"app.key", "alice", now, now, 0},
		// The device token is of now + 1000, the credential that it was issued on of now.
		"of what it came from": {"app.key", "alice", now + 500, now + 2000, now + 2000},
	} {
		w := newWorld(t)
		token := w.register(w.caller("app.key", "alice", ""), phone("d1", "alice", "secret"), now+1000)
		require.NoError(t, w.revoke(c.key, c.clientID, c.issuedBefore, c.appliesAt), name)
		w.reload()
		if c.diesAt == 0 {
			require.NoError(t, w.good(token, now+fiveYear-1), name)
			continue
		}
		require.NoError(t, w.stands(token, "d1", c.diesAt-1), name)
		require.ErrorIs(t, w.stands(token, "d1", c.diesAt), engine.ErrDeviceTokenRevoked, name)
		require.ErrorIs(t, w.stands(token, "d1", now+fiveYear-1), engine.ErrDeviceTokenRevoked, "%s: to its end", name)
		// A later revocation with a margin gives it no more time.
		require.NoError(t, w.revoke("app.key", "alice", now+2, c.diesAt+60_000), name)
		require.ErrorIs(t, w.stands(token, "d1", c.diesAt), engine.ErrDeviceTokenRevoked, name)

		// The device comes back with its deviceSecret and a token that is good.
		fresh := w.register(w.caller("app.second", "alice", ""), phone("d1", "alice", "secret"), c.diesAt)
		require.NoError(t, w.good(fresh, c.diesAt), name)
	}
}

// What a device token was issued on does not live on in it.
func TestARevocationOfTheCredentialEndsItsDeviceTokens(t *testing.T) {
	revocation := func(target engine.RevocationTarget, value string) engine.Revocation {
		return engine.Revocation{Target: target, Value: value, IssuedBefore: now + 1, AppliesAt: now + 1}
	}
	for name, c := range map[string]struct {
		bearer     string // who registers the device of alice
		revocation engine.Revocation
		dead       bool
	}{
		"anybody's token, by the wildcard":      {"*", revocation(engine.RevokeClientID, "*"), true},
		"anybody's token, by the device's":      {"*", revocation(engine.RevokeClientID, "alice"), true},
		"another token, by the wildcard":        {"alice", revocation(engine.RevokeClientID, "*"), false},
		"push-admin's token, by its clientId":   {"server", revocation(engine.RevokeClientID, "server"), true},
		"push-admin's token, by the device's":   {"server", revocation(engine.RevokeClientID, "alice"), true},
		"push-admin's token, by another":        {"server", revocation(engine.RevokeClientID, "bob"), false},
		"by the token's revocation key":         {"alice", revocation(engine.RevokeRevocationKey, "group"), true},
		"by another revocation key":             {"alice", revocation(engine.RevokeRevocationKey, "other"), false},
		"by a revocation key named as a client": {"alice", revocation(engine.RevokeRevocationKey, "alice"), false},
		"by a clientId named as the key":        {"alice", revocation(engine.RevokeClientID, "group"), false},
		"by nothing":                            {"", revocation(engine.RevokeClientID, ""), false},
		"by no revocation key":                  {"", revocation(engine.RevokeRevocationKey, ""), false},
		"by a channel":                          {"alice", revocation(engine.RevokeChannel, "*"), false},
	} {
		w := newWorld(t)
		s, err := engine.NewSigner("app.key:" + secret)
		require.NoError(t, err)
		p := engine.TokenParams{Issued: now, ClientID: c.bearer, Capability: `{"*":["push-subscribe","push-admin"]}`}
		if c.bearer == "alice" {
			p.RevocationKey = "group"
		}
		text, err := s.AppendJWT(nil, &p)
		require.NoError(t, err)
		g := new(engine.Grant)
		require.NoError(t, w.verifier.VerifyToken(g, text, now))
		clientID := "alice"
		if c.bearer == "" {
			clientID = ""
		}
		token := w.register(&push.Caller{Grant: g, Identity: g.Identity()}, phone("d1", clientID, "secret"), now)
		require.NoError(t, w.Revoke(ctx, "app.key", []engine.Revocation{c.revocation}), name)
		w.reload()
		if c.dead {
			require.ErrorIs(t, w.stands(token, "d1", now+1), engine.ErrDeviceTokenRevoked, name)
		} else {
			require.NoError(t, w.stands(token, "d1", now+1), name)
		}
	}
}

// A credential that is revoked while its registration is under way gets no device
// token that outlives the revocation.
func TestARevocationMissesNoRegistration(t *testing.T) {
	w := newWorld(t)
	alice := w.caller("app.key", "alice", "")
	hold, holding := make(chan struct{}), make(chan struct{}, 10)
	w.store.hold, w.store.holding = hold, holding
	registered, revoked := make(chan string, 1), make(chan error, 1)
	go func() {
		token, err := w.tryRegister(alice, phone("d1", "alice", "secret"), now)
		if err != nil {
			token = err.Error()
		}
		registered <- token
	}()
	<-holding // it has been checked, and is not yet in memory
	go func() { revoked <- w.revoke("app.key", "alice", now+1, now+1) }()
	close(hold)
	token := <-registered
	require.NoError(t, <-revoked)
	w.store.hold = nil
	require.ErrorIs(t, w.stands(token, "d1", now+1), engine.ErrDeviceTokenRevoked)
	_, err := w.tryRegister(alice, phone("d2", "alice", "secret"), now+1)
	require.ErrorIs(t, err, engine.ErrTokenRevoked, "nor one that begins later")
}

func TestOfManyThatReplaceARegistrationByItsTokenOneDoes(t *testing.T) {
	for round := range 20 {
		w := newWorld(t)
		token := w.register(w.caller("app.key", "alice", ""), phone("d1", "alice", "secret"), now)
		var won, stale atomic.Int32
		var winner atomic.Value
		var group sync.WaitGroup
		begin := make(chan struct{})
		for range 8 {
			c := w.with(w.caller("app.key", "alice", ""), token, now)
			group.Go(func() {
				<-begin
				switch fresh, err := w.tryRegister(c, phone("d1", "alice", ""), now); err {
				case nil:
					won.Add(1)
					winner.Store(fresh)
				case engine.ErrDeviceTokenStale:
					stale.Add(1)
				}
			})
		}
		close(begin)
		group.Wait()
		require.EqualValues(t, 1, won.Load(), "round %d", round)
		require.EqualValues(t, 7, stale.Load())
		require.NoError(t, w.good(winner.Load().(string), now))
	}
}

func TestUpdate(t *testing.T) {
	recipient := &push.Change{Details: push.Details{ID: "d1", Recipient: []byte(`{"transportType":"fcm"}`)}}
	change := func(edit func(c *push.Change)) *push.Change {
		c := phone("d1", "alice", "")
		edit(c)
		return c
	}
	part := func(edit func(c *push.Change)) *push.Change {
		c := &push.Change{Details: push.Details{ID: "d1"}}
		edit(c)
		return c
	}
	type who func(w *world, token string) *push.Caller
	alone := func(w *world, token string) *push.Caller { return w.alone(token, now) }
	beside := func(w *world, token string) *push.Caller { return w.with(w.caller("app.key", "alice", ""), token, now) }
	bySecret := func(w *world, _ string) *push.Caller { return secretly(w.caller("app.key", "alice", ""), "secret") }
	admin := func(w *world, _ string) *push.Caller { return w.admin() }
	for name, c := range map[string]struct {
		who    who
		change *push.Change
		whole  bool
		err    error
		anew   bool // another generation, with a token
	}{
		"a recipient, alone":                  {alone, recipient, false, nil, false},
		"a recipient, beside":                 {beside, recipient, false, nil, false},
		"a recipient, by the secret":          {bySecret, recipient, false, nil, false},
		"a recipient, by push-admin":          {admin, recipient, false, nil, false},
		"nothing":                             {alone, part(func(*push.Change) {}), false, nil, false},
		"as it is, alone":                     {alone, change(func(*push.Change) {}), true, nil, false},
		"as it is, beside":                    {beside, change(func(c *push.Change) { c.Secret = "secret" }), true, nil, false},
		"as it is, by push-admin":             {admin, change(func(*push.Change) {}), true, nil, false},
		"as it is, by the secret in the body": {func(w *world, _ string) *push.Caller { return w.caller("app.key", "alice", "") }, change(func(c *push.Change) { c.Secret = "secret" }), true, nil, false},
		"without saying whose, by the device": {beside, change(func(c *push.Change) { c.ClientID = "" }), true, nil, false},
		"another secret, beside":              {beside, change(func(c *push.Change) { c.Secret = "new" }), true, nil, true},
		"another secret, by the old":          {bySecret, part(func(c *push.Change) { c.Secret = "new" }), false, nil, true},
		"another secret, alone":               {alone, part(func(c *push.Change) { c.Secret = "new" }), false, engine.ErrDeviceTokenForeign, false},
		"another clientId, by push-admin":     {admin, part(func(c *push.Change) { c.ClientID = "bob" }), false, nil, true},
		"no clientId, by push-admin":          {admin, change(func(c *push.Change) { c.ClientID = "" }), true, nil, true},
		"another clientId, by the device":     {beside, part(func(c *push.Change) { c.ClientID = "bob" }), false, engine.ErrOperationClientID, false},
		"metadata, by push-admin":             {admin, part(func(c *push.Change) { c.Metadata = []byte(`{"a":"b"}`) }), false, nil, false},
		"metadata, by the device":             {beside, part(func(c *push.Change) { c.Metadata = []byte(`{"a":"b"}`) }), false, engine.ErrCapabilityDenied, false},
		"another platform":                    {admin, part(func(c *push.Change) { c.Platform = "android" }), false, engine.ErrBody, false},
		"another form factor":                 {admin, part(func(c *push.Change) { c.FormFactor = "watch" }), false, engine.ErrBody, false},
		"a platform that is none":             {admin, part(func(c *push.Change) { c.Platform = "IOS" }), false, engine.ErrBody, false},
		"whole without a recipient":           {admin, change(func(c *push.Change) { c.Recipient = nil }), true, engine.ErrBody, false},
		"any clientId":                        {admin, part(func(c *push.Change) { c.ClientID = "*" }), false, engine.ErrRequestClientID, false},
		"without proof":                       {func(w *world, _ string) *push.Caller { return w.caller("app.key", "alice", "") }, recipient, false, engine.ErrDeviceProof, false},
		"by another clientId":                 {func(w *world, token string) *push.Caller { return w.with(w.caller("app.key", "bob", ""), token, now) }, recipient, false, engine.ErrClientIDMismatch, false},
		"by nobody in particular":             {func(w *world, token string) *push.Caller { return w.with(w.caller("app.key", "", ""), token, now) }, recipient, false, engine.ErrClientIDMismatch, false},
		"by anybody":                          {func(w *world, token string) *push.Caller { return w.with(w.caller("app.key", "*", ""), token, now) }, recipient, false, nil, false},
		"by a wrong secret":                   {func(w *world, _ string) *push.Caller { return secretly(w.caller("app.key", "alice", ""), "x") }, recipient, false, engine.ErrDeviceSecret, false},
		"without push-subscribe": {func(w *world, token string) *push.Caller {
			return w.with(w.caller("app.key", "alice", `{"*":["publish"]}`), token, now)
		}, recipient, false, engine.ErrCapabilityDenied, false},
		"from another app, with push-admin":     {func(w *world, _ string) *push.Caller { return w.caller("other.key", "", `{"*":["push-admin"]}`) }, recipient, false, engine.ErrDeviceUnknown, false},
		"from another app, with push-subscribe": {func(w *world, _ string) *push.Caller { return secretly(w.caller("other.key", "alice", ""), "secret") }, recipient, false, engine.ErrDeviceSecret, false},
	} {
		w := newWorld(t)
		token := w.register(w.caller("app.key", "alice", ""), phone("d1", "alice", "secret"), now)
		var fresh engine.DeviceTokenDetails
		d, created, err := w.Update(ctx, c.who(w, token), c.change, c.whole, &fresh, now)
		require.False(t, created, name)
		if c.err != nil {
			require.ErrorIs(t, err, c.err, name)
			require.NoError(t, w.good(token, now), name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, c.anew, len(fresh.Token) > 0, name)
		got, err := w.Device(w.admin(), "d1", now)
		require.NoError(t, err, name)
		require.Equal(t, d, got, name)
		if c.change.Recipient != nil {
			require.Equal(t, string(c.change.Recipient), string(got.Recipient), name)
		}
		require.Equal(t, [2]string{"ios", "phone"}, [2]string{got.Platform, got.FormFactor}, name)
		if c.anew {
			require.ErrorIs(t, w.good(token, now), engine.ErrDeviceTokenStale, name)
			require.NoError(t, w.good(string(fresh.Token), now), name)
		} else {
			require.NoError(t, w.good(token, now), "%s: its token is good as before", name)
			_, err := w.Device(secretly(w.caller("app.key", "alice", ""), "secret"), "d1", now)
			require.NoError(t, err, "%s: and its secret", name)
		}
	}
}

func TestUpdateOfWhatIsNotThere(t *testing.T) {
	w := newWorld(t)
	var token engine.DeviceTokenDetails
	part := &push.Change{Details: push.Details{ID: "d1", Recipient: []byte(`{}`)}}
	_, _, err := w.Update(ctx, w.admin(), part, false, &token, now)
	require.ErrorIs(t, err, engine.ErrDeviceUnknown)
	_, _, err = w.Update(ctx, w.caller("app.key", "alice", ""), part, false, &token, now)
	require.ErrorIs(t, err, engine.ErrDeviceProof, "who is there is not told")
	_, created, err := w.Update(ctx, w.caller("app.key", "alice", ""), phone("d1", "", "s"), true, &token, now)
	require.NoError(t, err)
	require.True(t, created)
	require.NoError(t, w.good(string(token.Token), now))
	require.NoError(t, w.Remove(ctx, w.admin(), "d1", now))
	_, _, err = w.Update(ctx, w.alone(string(token.Token), now), phone("d1", "", ""), true, &token, now)
	require.ErrorIs(t, err, engine.ErrDeviceTokenStale, "a device token brings nothing back")
}

// Where a device token may stand alone: on its own registration, to change and
// delete it, and on its own subscriptions.
func TestADeviceTokenAlone(t *testing.T) {
	w := newWorld(t)
	alice := w.caller("app.key", "alice", "")
	token := w.register(alice, phone("d1", "alice", "secret"), now)
	w.register(alice, phone("d2", "alice", "secret"), now)
	c := w.alone(token, now)
	var issued engine.DeviceTokenDetails
	sub := func(channel, deviceID, clientID string) *push.Subscription {
		return &push.Subscription{Channel: channel, DeviceID: deviceID, ClientID: clientID}
	}
	for name, refused := range map[string]func() error{
		"registering":                    func() error { _, err := w.tryRegister(c, phone("d1", "alice", "secret"), now); return err },
		"registering another":            func() error { _, err := w.tryRegister(c, phone("d3", "alice", "s"), now); return err },
		"reading":                        func() error { _, err := w.Device(c, "d1", now); return err },
		"listing":                        func() error { _, err := w.Devices(c, "d1", "", now); return err },
		"changing another":               func() error { _, _, err := w.Update(ctx, c, phone("d2", "alice", ""), true, &issued, now); return err },
		"making another":                 func() error { _, _, err := w.Update(ctx, c, phone("d3", "alice", ""), true, &issued, now); return err },
		"deleting another":               func() error { return w.Remove(ctx, c, "d2", now) },
		"deleting those of its clientId": func() error { return w.RemoveClient(ctx, c, "alice", now) },
		"subscribing another":            func() error { return w.Subscribe(ctx, c, sub("a", "d2", ""), now) },
		"subscribing its clientId":       func() error { return w.Subscribe(ctx, c, sub("a", "", "alice"), now) },
		"unsubscribing another":          func() error { return w.Unsubscribe(ctx, c, sub("", "d2", ""), now) },
		"unsubscribing its clientId":     func() error { return w.Unsubscribe(ctx, c, sub("", "", "alice"), now) },
		"listing another's":              func() error { _, err := w.Subscriptions(c, sub("", "d2", ""), now); return err },
		"listing all subscriptions":      func() error { _, err := w.Subscriptions(c, sub("", "", ""), now); return err },
		"listing those of a channel":     func() error { _, err := w.Subscriptions(c, sub("a", "", ""), now); return err },
		"listing channels":               func() error { _, err := w.Channels(c, now); return err },
		"unsubscribing everybody":        func() error { return w.Unsubscribe(ctx, c, sub("a", "", ""), now) },
	} {
		err := refused()
		require.ErrorIs(t, err, engine.ErrDeviceTokenForeign, name)
		require.Equal(t, [2]int{40100, 401}, [2]int{err.(*engine.ErrorInfo).Code, err.(*engine.ErrorInfo).StatusCode}, name)
	}
	require.NoError(t, w.Subscribe(ctx, c, sub("a", "d1", ""), now))
	found, err := w.Subscriptions(c, sub("", "d1", ""), now)
	require.NoError(t, err)
	require.Equal(t, []push.Subscription{{Channel: "a", DeviceID: "d1"}}, found)
	require.NoError(t, w.Unsubscribe(ctx, c, sub("a", "d1", ""), now))
	_, _, err = w.Update(ctx, c, phone("d1", "alice", ""), true, &issued, now)
	require.NoError(t, err)
	require.NoError(t, w.Remove(ctx, c, "d1", now))
	require.ErrorIs(t, w.Remove(ctx, c, "d1", now), engine.ErrDeviceTokenStale)
}

func TestDevices(t *testing.T) {
	w := newWorld(t)
	for i, clientID := range []string{"alice", "bob", "alice", ""} {
		w.register(w.admin(), phone(fmt.Sprint("d", 3-i), clientID, ""), now)
	}
	w.register(w.caller("other.key", "alice", ""), phone("x", "alice", ""), now)
	for name, c := range map[string]struct {
		deviceID, clientID string
		want               []string
	}{
		"all": {"", "", []string{"d0", "d1", "d2", "d3"}}, "one": {"d2", "", []string{"d2"}}, "none": {"x", "", nil},
		"of a client": {"", "alice", []string{"d1", "d3"}}, "of nobody": {"", "carol", nil}, "both": {"d1", "bob", nil},
	} {
		found, err := w.Devices(w.admin(), c.deviceID, c.clientID, now)
		require.NoError(t, err)
		var ids []string
		for _, d := range found {
			ids = append(ids, d.ID)
		}
		require.Equal(t, c.want, ids, name)
	}
	for name, c := range map[string]*push.Caller{"push-subscribe": w.caller("app.key", "alice", ""), "nothing": w.caller("app.key", "alice", `{"*":["publish"]}`)} {
		_, err := w.Devices(c, "", "", now)
		require.ErrorIs(t, err, engine.ErrCapabilityDenied, name)
		_, err = w.Channels(c, now)
		require.ErrorIs(t, err, engine.ErrCapabilityDenied, name)
		require.ErrorIs(t, w.RemoveClient(ctx, c, "alice", now), engine.ErrCapabilityDenied, name)
	}
	_, err := w.Device(w.admin(), "nowhere", now)
	require.ErrorIs(t, err, engine.ErrDeviceUnknown)
	require.NoError(t, w.Remove(ctx, w.admin(), "nowhere", now), "there need not be one")
	require.ErrorIs(t, w.Remove(ctx, w.caller("app.key", "alice", ""), "d3", now), engine.ErrDeviceProof)
	require.NoError(t, w.RemoveClient(ctx, w.admin(), "alice", now))
	require.Len(t, w.store.records, 3)
	require.NoError(t, w.ForgetApp(ctx, "app"))
	require.Len(t, w.store.records, 1, "another app's stay")
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	alice := w.caller("app.key", "alice", "")
	for name, c := range map[string]struct {
		edit func(c *push.Change)
		err  error
	}{
		"no id":              {func(c *push.Change) { c.ID = "" }, engine.ErrBody},
		"an id of two lines": {func(c *push.Change) { c.ID = "a\nb" }, engine.ErrBody},
		"the longest id":     {func(c *push.Change) { c.ID = strings.Repeat("d", 256) }, nil},
		"a longer id":        {func(c *push.Change) { c.ID = strings.Repeat("d", 257) }, engine.ErrBody},
		"no platform":        {func(c *push.Change) { c.Platform = "" }, engine.ErrBody},
		"no form factor":     {func(c *push.Change) { c.FormFactor = "" }, engine.ErrBody},
		"no recipient":       {func(c *push.Change) { c.Recipient = nil }, engine.ErrBody},
		"the longest secret": {func(c *push.Change) { c.Secret = engine.Secret(strings.Repeat("s", 256)) }, nil},
		"a longer secret":    {func(c *push.Change) { c.Secret = engine.Secret(strings.Repeat("s", 257)) }, engine.ErrPushLimit},
		"large metadata":     {func(c *push.Change) { c.Metadata = []byte(`"` + strings.Repeat("m", 8<<10-2) + `"`) }, nil},
		"larger metadata":    {func(c *push.Change) { c.Metadata = []byte(`"` + strings.Repeat("m", 8<<10-1) + `"`) }, engine.ErrPushLimit},
		"a larger recipient": {func(c *push.Change) { c.Recipient = []byte(`{"a":"` + strings.Repeat("m", 8<<10) + `"}`) }, engine.ErrPushLimit},
	} {
		change := phone("d-"+name, "alice", "secret")
		c.edit(change)
		_, err := w.tryRegister(alice, change, now)
		require.Equal(t, c.err == nil, err == nil, "%s: %v", name, err)
		if c.err != nil {
			require.ErrorIs(t, err, c.err, name)
		}
	}
	w = newWorld(t)
	for i := range push.MaxDevicesPerClient {
		w.register(alice, phone(fmt.Sprint("d", i), "", "s"), now)
	}
	_, err := w.tryRegister(alice, phone("one more", "", "s"), now)
	require.ErrorIs(t, err, engine.ErrPushLimit)
	w.register(alice, phone("d0", "", "s"), now) // one that is there is no more
	var token engine.DeviceTokenDetails
	w.register(w.admin(), phone("bob's", "bob", "s"), now)
	_, _, err = w.Update(ctx, w.admin(), phone("bob's", "alice", "s"), true, &token, now)
	require.ErrorIs(t, err, engine.ErrPushLimit)
	require.NoError(t, w.Remove(ctx, w.admin(), "d0", now))
	w.register(alice, phone("one more", "", "s"), now)
}

func TestAnAppIsBounded(t *testing.T) {
	w := newWorld(t)
	template := ""
	w.register(w.admin(), phone("d", "", ""), now)
	for _, value := range w.store.records {
		template = string(value)
	}
	// As many as there may be, put where the store has them.
	for i := range push.MaxRecordsPerApp - 1 {
		id := fmt.Sprint("d", i)
		w.store.records[push.RecordName("app", id)] = []byte(strings.Replace(template, `"id":"d"`, `"id":"`+id+`"`, 1))
	}
	w.reload()
	_, err := w.tryRegister(w.admin(), phone("one more", "", ""), now)
	require.ErrorIs(t, err, engine.ErrPushLimit)
	require.ErrorIs(t, w.Subscribe(ctx, w.admin(), &push.Subscription{Channel: "a", ClientID: "alice"}, now), engine.ErrPushLimit)
	w.register(w.admin(), phone("d", "", ""), now)
	w.register(w.caller("other.key", "", ""), phone("d", "", ""), now)
	require.NoError(t, w.Remove(ctx, w.admin(), "d5", now))
	w.register(w.admin(), phone("one more", "", ""), now)
}

func TestAStoreThatFails(t *testing.T) {
	w := newWorld(t)
	alice := w.caller("app.key", "alice", "")
	token := w.register(alice, phone("d1", "alice", "secret"), now)
	w.store.fault = fmt.Errorf("no space")
	_, err := w.tryRegister(alice, phone("d1", "alice", "secret"), now)
	require.ErrorIs(t, err, engine.ErrUnavailable)
	require.ErrorIs(t, w.Remove(ctx, w.admin(), "d1", now), engine.ErrUnavailable)
	require.ErrorIs(t, w.revoke("app.key", "alice", now+1, now+1), engine.ErrUnavailable, "a revocation that is not kept is not answered")
	w.store.fault = nil
	require.NoError(t, w.stands(token, "d1", now), "what was not kept did not happen")
	require.NoError(t, w.revoke("app.key", "alice", now+1, now+1), "and can be tried again")
	require.ErrorIs(t, w.stands(token, "d1", now+1), engine.ErrDeviceTokenRevoked)
}

// A write that takes long keeps others from the record no longer than they can wait.
func TestAStoreThatHangs(t *testing.T) {
	w := newWorld(t)
	hold := make(chan struct{})
	w.store.hold, w.store.holding = hold, make(chan struct{}, 10)
	first := make(chan error, 1)
	go func() {
		_, err := w.tryRegister(w.caller("app.key", "alice", ""), phone("d1", "alice", "secret"), now)
		first <- err
	}()
	<-w.store.holding
	over, cancel := context.WithCancel(ctx)
	cancel()
	var token engine.DeviceTokenDetails
	_, err := w.Register(over, w.caller("app.key", "alice", ""), phone("d1", "alice", "secret"), &token, now)
	require.ErrorIs(t, err, engine.ErrUnavailable)
	close(hold)
	require.NoError(t, <-first)
}

// What cannot be read of the store is left out, and the rest is there.
func TestRecordsThatAreNotOurs(t *testing.T) {
	w := newWorld(t)
	w.register(w.admin(), phone("d1", "alice", "secret"), now)
	require.NoError(t, w.Subscribe(ctx, w.admin(), &push.Subscription{Channel: "a", ClientID: "alice"}, now))
	good := map[string]string{}
	for name, value := range w.store.records {
		good[name] = string(value)
	}
	require.Len(t, good, 2)
	w.reload()
	_, err := w.Device(w.admin(), "d1", now)
	require.NoError(t, err)
	for what, edit := range map[string]func(name, value string) (string, string){
		"another name":      func(n, v string) (string, string) { return n + "x", v },
		"another app":       func(n, v string) (string, string) { return n, strings.Replace(v, `"app":"app"`, `"app":"other"`, 1) },
		"no JSON":           func(n, v string) (string, string) { return n, v[1:] },
		"a name twice":      func(n, v string) (string, string) { return n, strings.Replace(v, `{`, `{"app":"app",`, 1) },
		"an unknown name":   func(n, v string) (string, string) { return n, strings.Replace(v, `{`, `{"App":"app",`, 1) },
		"another type":      func(n, v string) (string, string) { return n, strings.Replace(v, `"app":"app"`, `"app":1`, 1) },
		"a channel that is": func(n, v string) (string, string) { return n, strings.Replace(v, `"channels":[`, `"channels":[1,`, 1) },
		"channels in a mess": func(n, v string) (string, string) {
			return n, strings.Replace(v, `"channels":[`, `"channels":["z","b",`, 1)
		},
		"nothing": func(n, v string) (string, string) { return n, "" },
	} {
		w.store.records = map[string][]byte{}
		for name, value := range good {
			n, v := edit(name, value)
			w.store.records[n] = []byte(v)
		}
		w.reload()
		all, err := w.Devices(w.admin(), "", "", now)
		require.NoError(t, err)
		require.Empty(t, all, what)
		subscriptions, err := w.Subscriptions(w.admin(), &push.Subscription{}, now)
		require.NoError(t, err)
		require.Empty(t, subscriptions, what)
	}
}

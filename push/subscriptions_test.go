package push_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/push"
)

func ofDevice(channel, id string) *push.Subscription {
	return &push.Subscription{Channel: channel, DeviceID: id}
}

func ofClient(channel, id string) *push.Subscription {
	return &push.Subscription{Channel: channel, ClientID: id}
}

// all are the subscriptions of the app, as "channel device client".
func (w *world) all() (found []string) {
	w.t.Helper()
	list, err := w.Subscriptions(w.caller("app.key", "", `{"*":["push-admin"]}`), &push.Subscription{}, now)
	require.NoError(w.t, err)
	return texts(list)
}

func texts(list []push.Subscription) (found []string) {
	for _, s := range list {
		found = append(found, strings.Join([]string{s.Channel, s.DeviceID, s.ClientID}, " "))
	}
	return found
}

func TestWhoMaySubscribe(t *testing.T) {
	type who func(w *world, token string) *push.Caller
	as := func(clientID, rights string) who {
		return func(w *world, _ string) *push.Caller { return w.caller("app.key", clientID, rights) }
	}
	beside := func(clientID, rights string) who {
		return func(w *world, token string) *push.Caller {
			return w.with(w.caller("app.key", clientID, rights), token, now)
		}
	}
	alone := func(w *world, token string) *push.Caller { return w.alone(token, now) }
	for name, c := range map[string]struct {
		who          who
		subscription *push.Subscription
		err          error
	}{
		"the device, beside":                       {beside("alice", ""), ofDevice("a", "d1"), nil},
		"the device, on its channel alone":         {beside("alice", `{"a":["push-subscribe"]}`), ofDevice("a", "d1"), nil},
		"the device, on another channel":           {beside("alice", `{"b":["push-subscribe"]}`), ofDevice("a", "d1"), engine.ErrCapabilityDenied},
		"the device, by its secret":                {func(w *world, _ string) *push.Caller { return secretly(w.caller("app.key", "alice", ""), "secret") }, ofDevice("a", "d1"), nil},
		"the device, alone":                        {alone, ofDevice("a", "d1"), nil},
		"the device, alone, what it was not given": {alone, ofDevice("z", "d1"), engine.ErrCapabilityDenied},
		"the clientId without proof":               {as("alice", ""), ofDevice("a", "d1"), engine.ErrDeviceProof},
		"another clientId with its token":          {beside("bob", ""), ofDevice("a", "d1"), engine.ErrClientIDMismatch},
		"another device":                           {beside("alice", ""), ofDevice("a", "d2"), engine.ErrDeviceTokenForeign},
		"a wrong secret":                           {func(w *world, _ string) *push.Caller { return secretly(w.caller("app.key", "alice", ""), "x") }, ofDevice("a", "d1"), engine.ErrDeviceSecret},
		"a device that is not there":               {as("alice", ""), ofDevice("a", "d9"), engine.ErrDeviceProof},
		"push-admin, any device":                   {as("", `{"a":["push-admin"]}`), ofDevice("a", "d1"), nil},
		"push-admin, elsewhere":                    {as("", `{"b":["push-admin"]}`), ofDevice("a", "d1"), engine.ErrCapabilityDenied},
		"push-admin elsewhere, push-subscribe":     {as("alice", `{"b":["push-admin"],"a":["push-subscribe"]}`), ofDevice("a", "d1"), engine.ErrDeviceProof},
		"push-admin, a device that is not there":   {as("", `{"a":["push-admin"]}`), ofDevice("a", "d9"), engine.ErrDeviceUnknown},
		"push-admin of another app":                {func(w *world, _ string) *push.Caller { return w.caller("other.key", "", `{"*":["push-admin"]}`) }, ofDevice("a", "d1"), engine.ErrDeviceUnknown},
		"its clientId":                             {as("alice", ""), ofClient("a", "alice"), nil},
		"another's clientId":                       {as("alice", ""), ofClient("a", "bob"), engine.ErrClientIDMismatch},
		"a clientId, by nobody":                    {as("", ""), ofClient("a", "alice"), engine.ErrClientIDMismatch},
		"a clientId, by anybody":                   {as("*", ""), ofClient("a", "alice"), nil},
		"its clientId, on another channel":         {as("alice", `{"b":["push-subscribe"]}`), ofClient("a", "alice"), engine.ErrCapabilityDenied},
		"any clientId, push-admin":                 {as("bob", `{"a":["push-admin"]}`), ofClient("a", "alice"), nil},
		"everybody's clientId":                     {as("", `{"a":["push-admin"]}`), ofClient("a", "*"), engine.ErrRequestClientID},
		"without push rights":                      {beside("alice", `{"a":["subscribe"]}`), ofDevice("a", "d1"), engine.ErrCapabilityDenied},
		"both":                                     {as("alice", ""), &push.Subscription{Channel: "a", DeviceID: "d1", ClientID: "alice"}, engine.ErrBadRequest},
		"neither":                                  {as("alice", ""), &push.Subscription{Channel: "a"}, engine.ErrBadRequest},
		"no channel":                               {as("alice", ""), ofClient("", "alice"), engine.ErrChannel},
		"a queue":                                  {as("alice", ""), ofClient("[queue]a", "alice"), engine.ErrChannel},
		"too long a channel":                       {as("alice", ""), ofClient(strings.Repeat("c", 257), "alice"), engine.ErrChannel},
		"a metachannel is no channel":              {as("alice", ""), ofClient("[meta]log", "alice"), engine.ErrCapabilityDenied},
	} {
		w := newWorld(t)
		token := w.register(w.caller("app.key", "alice", `{"a":["push-subscribe"]}`), phone("d1", "alice", "secret"), now)
		w.register(w.caller("app.key", "alice", ""), phone("d2", "alice", "secret2"), now)
		err := w.Subscribe(ctx, c.who(w, token), c.subscription, now)
		if c.err != nil {
			require.ErrorIs(t, err, c.err, name)
			require.Empty(t, w.all(), name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, texts([]push.Subscription{*c.subscription}), w.all(), name)
		require.NoError(t, w.Subscribe(ctx, c.who(w, token), c.subscription, now), "%s: once more is the same", name)
		w.reload()
		require.Equal(t, texts([]push.Subscription{*c.subscription}), w.all(), name)
		require.NoError(t, w.good(token, now), "%s: the registration is the same", name)
	}
}

// The parameters of a channel's name are no part of what is authorised or kept.
func TestASubscriptionIsToTheChannelThatWasAuthorised(t *testing.T) {
	w := newWorld(t)
	s := ofClient("[?rewind=1]a", "alice")
	require.NoError(t, w.Subscribe(ctx, w.caller("app.key", "alice", `{"a":["push-subscribe"]}`), s, now))
	require.Equal(t, "a", s.Channel)
	require.Equal(t, []string{"a  alice"}, w.all())
}

func TestUnsubscribe(t *testing.T) {
	for name, c := range map[string]struct {
		clientID, rights string
		token            bool
		filter           push.Subscription
		left             string // of a d1, a d2, a alice, b d1, b bob
		err              error
	}{
		"one of its own":                   {"alice", "", true, *ofDevice("a", "d1"), "ad2 aalice bd1 bbob", nil},
		"all of its own":                   {"alice", "", true, *ofDevice("", "d1"), "ad2 aalice bbob", nil},
		"its own, where it may no more":    {"alice", `{"z":["push-subscribe"]}`, true, *ofDevice("", "d1"), "ad2 aalice bbob", nil},
		"without proof":                    {"alice", "", false, *ofDevice("", "d1"), "", engine.ErrDeviceProof},
		"another's":                        {"alice", "", true, *ofDevice("", "d2"), "", engine.ErrDeviceTokenForeign},
		"its clientId":                     {"alice", "", false, *ofClient("", "alice"), "ad1 ad2 bd1 bbob", nil},
		"its clientId, on a channel":       {"alice", "", false, *ofClient("b", "alice"), "ad1 ad2 aalice bd1 bbob", nil},
		"another clientId":                 {"alice", "", false, *ofClient("", "bob"), "", engine.ErrClientIDMismatch},
		"everybody's, with push-subscribe": {"alice", "", false, push.Subscription{Channel: "a"}, "", engine.ErrCapabilityDenied},
		"everybody's, with push-admin":     {"", `{"a":["push-admin"]}`, false, push.Subscription{Channel: "a"}, "bd1 bbob", nil},
		"a device's, with push-admin":      {"", `{"*":["push-admin"]}`, false, *ofDevice("", "d1"), "ad2 aalice bbob", nil},
		"also where it has none":           {"", `{"a":["push-admin"]}`, false, *ofDevice("", "d1"), "", engine.ErrCapabilityDenied},
		"elsewhere only":                   {"", `{"a":["push-admin"]}`, false, *ofClient("b", "bob"), "", engine.ErrCapabilityDenied},
		"its own, push-admin elsewhere":    {"alice", `{"z":["push-admin"],"a":["push-subscribe"]}`, true, *ofDevice("", "d1"), "ad2 aalice bbob", nil},
		"what is not there":                {"", `{"*":["push-admin"]}`, false, *ofDevice("", "d9"), "ad1 ad2 aalice bd1 bbob", nil},
		"nothing in particular":            {"", `{"*":["push-admin"]}`, false, push.Subscription{}, "", engine.ErrBadRequest},
		"a device and a clientId":          {"", `{"*":["push-admin"]}`, false, push.Subscription{DeviceID: "d1", ClientID: "alice"}, "", engine.ErrBadRequest},
		"without push rights":              {"alice", `{"*":["subscribe"]}`, true, *ofDevice("", "d1"), "", engine.ErrCapabilityDenied},
		"no channel's name":                {"", `{"*":["push-admin"]}`, false, push.Subscription{Channel: ":"}, "", engine.ErrChannel},
	} {
		w := newWorld(t)
		token := w.register(w.caller("app.key", "alice", ""), phone("d1", "alice", "secret"), now)
		w.register(w.caller("app.key", "alice", ""), phone("d2", "alice", "secret"), now)
		for _, s := range []*push.Subscription{ofDevice("a", "d1"), ofDevice("a", "d2"), ofDevice("b", "d1"), ofClient("a", "alice"), ofClient("b", "bob")} {
			require.NoError(t, w.Subscribe(ctx, w.admin(), s, now))
		}
		caller := w.caller("app.key", c.clientID, c.rights)
		if c.token {
			caller = w.with(caller, token, now)
		}
		err := w.Unsubscribe(ctx, caller, &c.filter, now)
		if c.err != nil {
			require.ErrorIs(t, err, c.err, name)
			require.Len(t, w.all(), 5, name)
			continue
		}
		require.NoError(t, err, name)
		require.ElementsMatch(t, strings.Fields(c.left), strings.Fields(squeezed(w.all())), name)
	}
}

// squeezed writes subscriptions as the table does.
func squeezed(all []string) string {
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], " ", "")
	}
	return strings.Join(all, " ")
}

func TestSubscriptions(t *testing.T) {
	w := newWorld(t)
	token := w.register(w.caller("app.key", "alice", ""), phone("d1", "alice", "secret"), now)
	w.register(w.caller("app.key", "alice", ""), phone("d2", "alice", "secret"), now)
	for _, s := range []*push.Subscription{ofDevice("b", "d1"), ofDevice("a", "d2"), ofDevice("a", "d1"), ofClient("c", "bob"), ofClient("a", "alice")} {
		require.NoError(t, w.Subscribe(ctx, w.admin(), s, now))
	}
	for name, c := range map[string]struct {
		clientID, rights string
		token            bool
		filter           push.Subscription
		want             string
		err              error
	}{
		"push-admin":                           {"", `{"*":["push-admin"]}`, false, push.Subscription{}, "aalice ad1 ad2 bd1 cbob", nil},
		"push-admin of one channel":            {"", `{"a":["push-admin"]}`, false, push.Subscription{}, "aalice ad1 ad2", nil},
		"a channel":                            {"", `{"*":["push-admin"]}`, false, push.Subscription{Channel: "a"}, "aalice ad1 ad2", nil},
		"a device":                             {"", `{"*":["push-admin"]}`, false, *ofDevice("", "d1"), "ad1 bd1", nil},
		"a clientId":                           {"", `{"*":["push-admin"]}`, false, *ofClient("", "bob"), "cbob", nil},
		"either":                               {"", `{"*":["push-admin"]}`, false, push.Subscription{DeviceID: "d1", ClientID: "alice"}, "aalice ad1 bd1", nil},
		"either, on a channel":                 {"", `{"*":["push-admin"]}`, false, push.Subscription{Channel: "b", DeviceID: "d1", ClientID: "alice"}, "bd1", nil},
		"its own":                              {"alice", "", true, *ofDevice("", "d1"), "ad1 bd1", nil},
		"its own, push-admin of one channel":   {"alice", `{"c":["push-admin","push-subscribe"]}`, true, *ofDevice("", "d1"), "ad1 bd1", nil},
		"its clientId's":                       {"alice", "", false, *ofClient("", "alice"), "aalice", nil},
		"its own and its clientId's":           {"alice", "", true, push.Subscription{DeviceID: "d1", ClientID: "alice"}, "", engine.ErrCapabilityDenied},
		"without proof":                        {"alice", "", false, *ofDevice("", "d1"), "", engine.ErrDeviceProof},
		"another's":                            {"alice", "", true, *ofDevice("", "d2"), "", engine.ErrDeviceTokenForeign},
		"another clientId's":                   {"alice", "", false, *ofClient("", "bob"), "", engine.ErrClientIDMismatch},
		"everybody's":                          {"alice", "", false, push.Subscription{}, "", engine.ErrCapabilityDenied},
		"everybody's on a channel":             {"alice", "", true, push.Subscription{Channel: "a"}, "", engine.ErrCapabilityDenied},
		"without push rights, with everything": {"alice", `{"*":["subscribe"]}`, true, *ofDevice("", "d1"), "", engine.ErrCapabilityDenied},
	} {
		caller := w.caller("app.key", c.clientID, c.rights)
		if c.token {
			caller = w.with(caller, token, now)
		}
		found, err := w.Subscriptions(caller, &c.filter, now)
		if c.err != nil {
			require.ErrorIs(t, err, c.err, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, c.want, squeezed(texts(found)), name)
	}
	for rights, want := range map[string][]string{`{"*":["push-admin"]}`: {"a", "b", "c"}, `{"b":["push-admin"]}`: {"b"}} {
		found, err := w.Channels(w.caller("app.key", "", rights), now)
		require.NoError(t, err)
		require.Equal(t, want, found)
	}
}

// Subscriptions go with their registration, and with the clientId that it was for.
func TestSubscriptionsFollowTheRegistration(t *testing.T) {
	w := newWorld(t)
	alice := w.caller("app.key", "alice", "")
	w.register(alice, phone("d1", "alice", "secret"), now)
	require.NoError(t, w.Subscribe(ctx, w.admin(), ofDevice("a", "d1"), now))
	w.register(alice, phone("d1", "alice", "secret"), now)
	require.Equal(t, []string{"a d1 "}, w.all(), "the same client")
	w.register(w.caller("app.key", "bob", ""), phone("d1", "bob", "secret"), now)
	require.Empty(t, w.all(), "what was alice's is not bob's")
	require.NoError(t, w.Subscribe(ctx, w.admin(), ofDevice("a", "d1"), now))
	require.NoError(t, w.Remove(ctx, w.admin(), "d1", now))
	w.register(w.caller("app.key", "bob", ""), phone("d1", "bob", "secret"), now)
	require.Empty(t, w.all())
}

func TestSubscriptionsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.register(w.admin(), phone("d1", "alice", ""), now)
	for i := range push.MaxChannels {
		require.NoError(t, w.Subscribe(ctx, w.admin(), ofDevice(fmt.Sprint("c", i), "d1"), now))
		require.NoError(t, w.Subscribe(ctx, w.admin(), ofClient(fmt.Sprint("c", i), "alice"), now))
	}
	require.ErrorIs(t, w.Subscribe(ctx, w.admin(), ofDevice("one more", "d1"), now), engine.ErrPushLimit)
	require.ErrorIs(t, w.Subscribe(ctx, w.admin(), ofClient("one more", "alice"), now), engine.ErrPushLimit)
	require.NoError(t, w.Subscribe(ctx, w.admin(), ofDevice("c0", "d1"), now), "one that is there is no more")
	// All of the longest names fit the store.
	w = newWorld(t)
	w.register(w.admin(), phone("d1", "alice", ""), now)
	for i := range push.MaxChannels {
		require.NoError(t, w.Subscribe(ctx, w.admin(), ofDevice(fmt.Sprintf("%02d%s", i, strings.Repeat(`"`, 254)), "d1"), now))
	}
	w.reload()
	require.Len(t, w.all(), push.MaxChannels)
}

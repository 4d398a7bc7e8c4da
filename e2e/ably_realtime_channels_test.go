package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// channelScenes show what a capability allows on channels, and who may speak as whom.
func channelScenes() []scene {
	all := []string{"presence", "publish", "subscribe", "presence_subscribe"}
	ana := object{"jwt": object{"clientId": "ana"}}
	return []scene{
		{name: "capabilities", play: "capabilities", args: object{
			"capability": object{
				"sub:*": []string{"subscribe"}, "pub:*": []string{"publish"}, "both:*": []string{"publish", "subscribe"},
				"here:*": []string{"presence"}, "all:*": []string{"*"},
			},
			"channels":   []string{"sub:a", "pub:a", "both:a", "here:a", "all:a", "other"},
			"unattached": []string{"sub:b", "pub:b", "both:b", "here:b", "all:b", "other:b"},
		}, check: func(t *testing.T, did sceneDid) {
			may := func(channel, op string, allowed bool) {
				if allowed {
					did.requireOK(t, op+" "+channel)
				} else {
					did.requireRefused(t, op+" "+channel, 40160, 401)
				}
			}
			for _, c := range []struct {
				namespace         string
				modes             []string
				publish, presence bool
			}{
				{"sub", []string{"subscribe", "presence_subscribe"}, false, false},
				{"pub", []string{"publish"}, true, false},
				{"both", []string{"publish", "subscribe", "presence_subscribe"}, true, false},
				{"here", []string{"presence"}, false, true},
				{"all", all, true, true},
			} {
				channel := c.namespace + ":a"
				did.requireOK(t, "attach "+channel)
				did.requireNoted(t, "modes "+channel, c.modes)
				may(channel, "publish", c.publish)
				may(channel, "enter", c.presence)
				may(c.namespace+":b", "publish", c.publish) // it need not be attached
				did.requireNoted(t, "state "+channel, "attached")
			}
			may("other", "attach", false)
			may("other:b", "publish", false)
			require.Equal(t, []string{"attaching", "failed 40160/401"}, statesOf(did.ChannelStates["ana other"]))
			did.requireNoted(t, "state", "connected")
			did.requireStates(t, "ana", "connecting", "connected")
		}},
		{name: "capabilities of the key, not of the token alone", play: "capabilities", args: object{
			"key": "narrow", "capability": object{"*": []string{"*"}}, "channels": []string{"sub:a", "other"}, "unattached": []string{"sub:b"},
		}, check: func(t *testing.T, did sceneDid) {
			did.requireOK(t, "attach sub:a")
			did.requireNoted(t, "modes sub:a", []string{"subscribe", "presence_subscribe"})
			did.requireRefused(t, "publish sub:a", 40160, 401)
			did.requireRefused(t, "attach other", 40160, 401)
			did.requireRefused(t, "publish sub:b", 40160, 401)
		}},
		{name: "modes", play: "modes", check: func(t *testing.T, did sceneDid) {
			did.requireOK(t, "attach to publish", "publish to publish")
			did.requireNoted(t, "modes to publish", []string{"publish"})
			did.requireNoted(t, "modes to subscribe", []string{"subscribe"})
			did.requireRefused(t, "publish to subscribe", 40165, 401)
			did.requireRefused(t, "enter to subscribe", 40165, 401)
			require.Equal(t, []string{"from ana"}, namesOf(did.told(t, "heard")))
			did.requireNoted(t, "deaf heard", []any{})
			require.Empty(t, did.frames("ana", fromServer, actMessage), "nothing is even sent")
		}},
		{name: "channel names", play: "names", args: object{"names": []string{
			"[foo]x", "[*]x", "[queue]x", "[?a]]x", "[meta", ":x", "a\nb", "[meta]log", "[meta?rewind=1]log", "[?rewind=1]foo", "grüße:😀", "foo*", "a::b",
		}}, check: func(t *testing.T, did sceneDid) {
			for _, name := range []string{"[foo]x", "[*]x", "[queue]x", "[?a]]x", "[meta", ":x", "a\nb"} {
				did.requireRefused(t, "attach "+name, 40010, 400)
			}
			for _, name := range []string{"[meta]log", "[meta?rewind=1]log"} {
				did.requireRefused(t, "attach "+name, 40160, 401)
			}
			did.requireOK(t, "attach [?rewind=1]foo", "attach grüße:😀", "attach foo*", "attach a::b")
			did.requireNoted(t, "state", "connected")
		}},

		speaksScene("ana", ana, nil, "ana", map[string]string{"nobody": "ok", "ana": "ok", "ben": "no", "Ana": "no", "*": "no"}),
		speaksScene("anybody", object{"jwt": object{"clientId": "*"}}, nil, "", map[string]string{"nobody": "ok", "ana": "ok", "ben": "ok", "*": "no"}),
		speaksScene("a key", object{"key": "full"}, nil, "", map[string]string{"nobody": "ok", "ana": "ok", "*": "no"}),
		speaksScene("anybody as ana", object{"jwt": object{"clientId": "*"}}, object{"clientId": "ana"}, "ana", map[string]string{"nobody": "ok", "ana": "ok", "ben": "no"}),
		speaksScene("nobody", object{"jwt": object{}}, nil, "", map[string]string{"nobody": "ok", "ana": "no", "*": "no"}),

		entersScene("ana", ana, nil, "", map[string]string{"ana": "", "ben": "40012/400", "*": "40012/400"}, []string{}),
		entersScene("anybody", object{"jwt": object{"clientId": "*"}}, nil, "91000/400", map[string]string{"ana": "", "ben": "", "*": "40012/400"}, []string{"ana", "ben"}),
		entersScene("nobody", object{"jwt": object{}}, nil, "91000/400", map[string]string{"ana": "40012/400"}, []string{}),
		entersScene("ana without the capability", object{"jwt": object{"clientId": "ana", "capability": object{"*": []string{"publish", "subscribe"}}}}, nil,
			"40160/401", map[string]string{"ana": "40160/401"}, []string{}),

		{name: "namespaces for identified clients", play: "identifiedOnly", args: object{"namespaces": []string{identifiedNamespace, "identified"}}, check: func(t *testing.T, did sceneDid) {
			for _, namespace := range []string{identifiedNamespace, "identified"} {
				did.requireRefused(t, "nobody publishes in "+namespace, 40161, 401)
				did.requireRefused(t, "nobody attaches in "+namespace, 40161, 401)
				did.requireOK(t, "ana attaches in "+namespace, "ana publishes in "+namespace)
			}
			did.requireOK(t, "nobody attaches elsewhere")
			did.requireStates(t, "nobody", "connecting", "connected")
		}},
		{name: "two apps with a channel of one name", play: "twoApps", check: func(t *testing.T, did sceneDid) {
			require.Equal(t, []string{"from ana"}, namesOf(did.told(t, "ana heard")))
			require.Equal(t, []string{"from ben"}, namesOf(did.told(t, "ben heard")))
			did.requireNoted(t, "ana sees", []string{"ana"})
			did.requireNoted(t, "ben sees", []string{"ben"})
			for client, other := range map[string]string{"ana": "ben", "ben": "ana"} {
				for _, m := range did.told(t, client+" saw") {
					require.NotEqual(t, other, m.ClientID)
				}
			}
		}},
	}
}

// speaksScene is a client that publishes under these names. What it says in nobody's
// name bears its own clientId, stamped.
func speaksScene(who string, credential, options object, stamped string, as map[string]string) scene {
	names := object{}
	mixed := ""
	for name, verdict := range as {
		if names[name] = name; name == "nobody" {
			names[name] = nil
		} else if verdict == "no" {
			mixed = name
		}
	}
	return scene{
		name: "messages by " + who, play: "speaks", args: object{"credential": credential, "options": options, "as": names, "mixed": mixed},
		check: func(t *testing.T, did sceneDid) {
			var id string
			did.into(t, "connection", &id)
			heard := did.told(t, "heard")
			accepted := 1 // the last
			for name, verdict := range as {
				if verdict == "no" {
					did.requireRefused(t, name, 40012, 400)
					continue
				}
				did.requireOK(t, name)
				accepted++
			}
			did.requireRefused(t, "mixed", 40012, 400)
			require.Len(t, heard, accepted, "what is refused nobody hears, not even the part that was right")
			for _, m := range heard {
				want := stamped
				if names[m.Name] != nil {
					want = m.Name
				}
				require.Equal(t, want, m.ClientID)
				require.Equal(t, id, m.ConnectionID)
			}
			did.requireNoted(t, "states", []string{"connected", "attached"})
		},
	}
}

// entersScene is a client that enters as itself, and then under these names. ""
// stands for success.
func entersScene(who string, credential, options object, asOneself string, as map[string]string, present []string) scene {
	var names []string
	for name := range as {
		names = append(names, name)
	}
	leaving := "zoe" // who is not there
	if who != "anybody" {
		leaving = "ana" // one who may not be somebody else may not leave as him either
	}
	verdict := func(t *testing.T, did sceneDid, name, want string) {
		switch want {
		case "":
			did.requireOK(t, name)
		case "91000/400":
			did.requireRefused(t, name, 91000, 400)
		case "40012/400":
			did.requireRefused(t, name, 40012, 400)
		case "40160/401":
			did.requireRefused(t, name, 40160, 401)
		}
	}
	return scene{
		name: "presence by " + who, play: "enters", args: object{"credential": credential, "options": options, "as": names, "leaving": leaving, "present": present},
		check: func(t *testing.T, did sceneDid) {
			verdict(t, did, "as oneself", asOneself)
			for name, want := range as {
				verdict(t, did, "as "+name, want)
			}
			if who == "anybody" || who == "ana" {
				did.requireOK(t, "leave") // RTP10d: also of one who is not there
			} else {
				require.NotEqual(t, `"ok"`, string(did.Noted["leave"]))
			}
			did.requireNoted(t, "states", []string{"connected", "attached"})
			var id string
			did.into(t, "connection", &id)
			for _, m := range did.told(t, "seen") {
				require.Equal(t, id, m.ConnectionID)
				require.Contains(t, []string{"ana", "ben"}, m.ClientID)
			}
		},
	}
}

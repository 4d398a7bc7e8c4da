package oauth

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
)

func goodService() ServiceConfig {
	return ServiceConfig{
		ID: 1415, APISecret: "svc-secret-svc-secret", AccessToken: "SVCTOKEN-SVCTOKEN-0", Issuer: "https://as.example.com", TokenSecret: "an-access-token-secret-of-32-byte",
		Clients: []ClientConfig{
			{ID: 17201083166161, Alias: "clientapp01", AliasEnabled: true, Secret: "s3cret-s3cret-s3cret", RedirectURIs: []string{"https://client.example.org/cb/example.com"}, Scopes: []string{"payment"}},
			{ID: 26478243745571, Alias: "my-client", RetiredAliases: []string{"her-client"}, Secret: "bsecret-bsecret-bsecret"},
			{ID: 3, Type: Public, AuthMethod: NoAuth},
		},
	}
}

func TestAGoodServiceHasNoFaults(t *testing.T) {
	for name, change := range map[string]func(s *ServiceConfig){
		"as it is":                              func(*ServiceConfig) {},
		"an alias that is the client's own id":  func(s *ServiceConfig) { s.Clients[0].Alias = "17201083166161" },
		"an alias that looks like a number":     func(s *ServiceConfig) { s.Clients[0].Alias = "017201083166161" },
		"an alias of 255 bytes":                 func(s *ServiceConfig) { s.Clients[0].Alias = strings.Repeat("a", 255) },
		"an alias of every allowed character":   func(s *ServiceConfig) { s.Clients[0].Alias = `!"#$%&'()*+,-./0;<=>?@A[\]^_{|}~` },
		"aliases of different case":             func(s *ServiceConfig) { s.Clients[1].Alias = "CLIENTAPP01" },
		"a URL where that is allowed":           func(s *ServiceConfig) { s.Clients[0].Alias, s.HTTPAliasAllowed = "https://a.example", true },
		"a scheme that is none":                 func(s *ServiceConfig) { s.Clients[0].Alias = "httpx://a" },
		"an alias that is form-encoded its own": func(s *ServiceConfig) { s.Clients[0].Alias, s.Clients[0].RetiredAliases = "a%2Fb", []string{"a/b"} },
		"no access token":                       func(s *ServiceConfig) { s.AccessToken = "" },
		"the greatest id":                       func(s *ServiceConfig) { s.Clients[2].ID = 1<<53 - 1 },
		"redirect URIs": func(s *ServiceConfig) {
			s.Clients[2].RedirectURIs = []string{"https://a.example/cb?x=1", "http://127.0.0.1:8123/cb", "http://[::1]/cb", "http://localhost/cb", "com.example.app:/cb"}
		},
		"an issuer on loopback": func(s *ServiceConfig) { s.Issuer = "http://127.0.0.1:9000/as" },
	} {
		s := goodService()
		change(&s)
		faults, _ := Check([]ServiceConfig{s}, Rules{})
		require.Empty(t, faults, name)
	}
}

// The rules of the specification: what is refused, where, and whom the message names.
func TestFaultsOfServices(t *testing.T) {
	const a, b = "17201083166161", "26478243745571"
	long := strings.Repeat("a", 256)
	for name, c := range map[string]struct {
		change func(s *ServiceConfig)
		path   string
		names  []string
	}{
		"an alias that is another's id":                  {func(s *ServiceConfig) { s.Clients[1].Alias = a }, "clients[1].alias", []string{a, b}},
		"an alias that is another's id, listed before":   {func(s *ServiceConfig) { s.Clients[0].Alias = b }, "clients[0].alias", []string{a, b}},
		"two clients with one alias":                     {func(s *ServiceConfig) { s.Clients[1].Alias = "clientapp01" }, "clients[1].alias", []string{a, b}},
		"the same, both switched off":                    {func(s *ServiceConfig) { s.Clients[1].Alias, s.Clients[0].AliasEnabled = "clientapp01", false }, "clients[1].alias", []string{a, b}},
		"an alias that another has retired":              {func(s *ServiceConfig) { s.Clients[2].Alias = "her-client" }, "clients[2].alias", []string{b, "client 3"}},
		"an alias that another retires":                  {func(s *ServiceConfig) { s.Clients[1].RetiredAliases[0] = "clientapp01" }, "clients[1].retired_aliases[0]", []string{a, b}},
		"an alias that is retired and is not":            {func(s *ServiceConfig) { s.Clients[1].RetiredAliases[0] = "my-client" }, "clients[1].retired_aliases[0]", []string{b}},
		"an alias that is another's id, retired":         {func(s *ServiceConfig) { s.Clients[1].RetiredAliases[0] = a }, "clients[1].retired_aliases[0]", []string{a, b}},
		"a space":                                        {func(s *ServiceConfig) { s.Clients[0].Alias = "client app" }, "clients[0].alias", []string{a}},
		"a letter beyond ASCII":                          {func(s *ServiceConfig) { s.Clients[0].Alias = "clienté" }, "clients[0].alias", []string{a}},
		"a control character":                            {func(s *ServiceConfig) { s.Clients[0].Alias = "client\x00" }, "clients[0].alias", []string{a}},
		"an empty retired alias":                         {func(s *ServiceConfig) { s.Clients[1].RetiredAliases[0] = "" }, "clients[1].retired_aliases[0]", []string{b}},
		"256 bytes":                                      {func(s *ServiceConfig) { s.Clients[0].Alias = long }, "clients[0].alias", []string{a}},
		"http":                                           {func(s *ServiceConfig) { s.Clients[0].Alias = "http://a" }, "clients[0].alias", []string{a}},
		"HTTPS":                                          {func(s *ServiceConfig) { s.Clients[0].Alias = "HTTPS://a" }, "clients[0].alias", []string{a}},
		"what another spells, form-encoded":              {func(s *ServiceConfig) { s.Clients[0].Alias, s.Clients[1].Alias = "a%2Fb", "a/b" }, "clients[0].alias", []string{a, b}},
		"what another spells, form-encoded, in an id":    {func(s *ServiceConfig) { s.Clients[0].Alias = "%33" }, "clients[0].alias", []string{a, "client 3"}},
		"what another spells, form-encoded, and retired": {func(s *ServiceConfig) { s.Clients[0].Alias = "%68er-client" }, "clients[0].alias", []string{a, b}},
		"no id":                         {func(s *ServiceConfig) { s.Clients[0].ID = 0 }, "clients[0].id", nil},
		"an id that rounds":             {func(s *ServiceConfig) { s.Clients[0].ID = 1 << 53 }, "clients[0].id", nil},
		"an id twice":                   {func(s *ServiceConfig) { s.Clients[1].ID = s.Clients[0].ID }, "clients[1].id", []string{a}},
		"a confidential client without": {func(s *ServiceConfig) { s.Clients[0].AuthMethod = NoAuth }, "clients[0].auth_method", []string{a}},
		"a public client with":          {func(s *ServiceConfig) { s.Clients[2].AuthMethod = SecretPost }, "clients[2].auth_method", []string{"client 3"}},
		"a public client's secret":      {func(s *ServiceConfig) { s.Clients[2].Secret = "s3cret-s3cret-s3cret" }, "clients[2].secret", []string{"client 3"}},
		"no secret":                     {func(s *ServiceConfig) { s.Clients[0].Secret = "" }, "clients[0].secret", []string{a}},
		"a short secret":                {func(s *ServiceConfig) { s.Clients[0].Secret = "123456789012345" }, "clients[0].secret", []string{a}},
		"a secret with a control":       {func(s *ServiceConfig) { s.Clients[0].Secret = "s3cret-s3cret-s3cret\n" }, "clients[0].secret", []string{a}},
		"a short api secret":            {func(s *ServiceConfig) { s.APISecret = "123456789012345" }, "api_secret", []string{"1415"}},
		"no api secret":                 {func(s *ServiceConfig) { s.APISecret = "" }, "api_secret", []string{"1415"}},
		"a short access token":          {func(s *ServiceConfig) { s.AccessToken = "123456789012345" }, "access_token", []string{"1415"}},
		"an access token with a space":  {func(s *ServiceConfig) { s.AccessToken = "SVCTOKEN SVCTOKEN 0" }, "access_token", nil},
		"a short token secret":          {func(s *ServiceConfig) { s.TokenSecret = "an-access-token-secret-of-31-by" }, "token_secret", nil},
		"a client's token secret":       {func(s *ServiceConfig) { s.Clients[0].Secret = s.TokenSecret }, "token_secret", []string{a}},
		"an api secret's token secret":  {func(s *ServiceConfig) { s.APISecret = s.TokenSecret }, "token_secret", []string{"1415"}},
		"an issuer in clear":            {func(s *ServiceConfig) { s.Issuer = "http://as.example.com" }, "issuer", nil},
		"an issuer with a query":        {func(s *ServiceConfig) { s.Issuer = "https://as.example.com?a=b" }, "issuer", nil},
		"no issuer":                     {func(s *ServiceConfig) { s.Issuer = "" }, "issuer", nil},
		"a code that lives long":        {func(s *ServiceConfig) { s.CodeTTL = 11 * time.Minute }, "code_ttl", nil},
		"a token that never lives":      {func(s *ServiceConfig) { s.AccessTokenTTL = -time.Second }, "access_token_ttl", nil},
		"half a second":                 {func(s *ServiceConfig) { s.RefreshTokenTTL = 1500 * time.Millisecond }, "refresh_token_ttl", nil},
		"openid":                        {func(s *ServiceConfig) { s.Clients[0].Scopes[0] = "openid" }, "clients[0].scopes[0]", []string{a, "OpenID"}},
		"a scope with a space":          {func(s *ServiceConfig) { s.Clients[0].Scopes[0] = "a b" }, "clients[0].scopes[0]", []string{a}},
		"client credentials of nobody":  {func(s *ServiceConfig) { s.Clients[2].GrantTypes = []GrantType{ClientCredentials} }, "clients[2].grant_types", []string{"client 3"}},
		"codes for nowhere":             {func(s *ServiceConfig) { s.Clients[1].GrantTypes = []GrantType{AuthorizationCode} }, "clients[1].redirect_uris", []string{b}},
	} {
		s := goodService()
		c.change(&s)
		faults, _ := Check([]ServiceConfig{s}, Rules{})
		require.Len(t, faults, 1, "%s: %v", name, faults)
		require.Equal(t, "services[0]."+c.path, faults[0].Path, name)
		for _, who := range c.names {
			require.Contains(t, faults[0].Message, who, name)
		}
		for _, secret := range []string{"svc-secret", "SVCTOKEN", "an-access", "s3cret-s3", "bsecret-"} {
			require.NotContains(t, faults[0].Error(), secret, name)
		}
	}
}

func TestFaultsBetweenServices(t *testing.T) {
	one, two := goodService(), goodService()
	faults, _ := Check([]ServiceConfig{one, two}, Rules{})
	require.Equal(t, []string{"services[1].id", "services[1].access_token", "services[1].token_secret"}, paths(faults))
	two.ID, two.AccessToken, two.TokenSecret = 1416, "SVCTOKEN-SVCTOKEN-1", "another-access-token-secret-of-32"
	faults, _ = Check([]ServiceConfig{one, two}, Rules{})
	require.Empty(t, faults, "each service has its own clients and aliases")
	two.TokenSecret = one.Clients[0].Secret
	require.True(t, len(two.TokenSecret) < 32)
	two.TokenSecret, one.Clients[0].Secret = "another-access-token-secret-of-32", "another-access-token-secret-of-32"
	faults, _ = Check([]ServiceConfig{one, two}, Rules{})
	require.Equal(t, []string{"services[1].token_secret"}, paths(faults), "also when it is another service's client that knows it")
}

func paths(faults []Fault) (list []string) {
	for _, f := range faults {
		list = append(list, f.Path)
	}
	return list
}

func TestRedirectURIs(t *testing.T) {
	for _, uri := range []string{
		"", "/cb", "a.example/cb", "//a.example/cb", "https:///cb", "https://a.example/#f", "https://a.example/cb#", "http://a.example/cb", "http://127.0.0.2.example/cb",
		"https://user@a.example/cb", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "myapp:/cb", "https://a.example/a b", "https://a.example/\n", "https://a.example/é",
		"https://a.example/" + strings.Repeat("a", 1024),
	} {
		require.NotEmpty(t, checkRedirectURI(uri), "%q", uri)
	}
}

func TestWarnings(t *testing.T) {
	s := goodService()
	s.Clients[0].Alias, s.Clients[2].AliasEnabled = "a:b", true
	faults, warnings := Check([]ServiceConfig{s}, Rules{})
	require.Empty(t, faults)
	require.Equal(t, []string{"services[0].clients[0].alias", "services[0].clients[2].alias_enabled"}, paths(warnings))
}

func TestWeakSecretsAreAllowedWhereTheRulesSaySo(t *testing.T) {
	s := goodService()
	s.APISecret, s.Clients[0].Secret = "svc-secret", "s3cret"
	faults, _ := Check([]ServiceConfig{s}, Rules{AllowWeakSecrets: true})
	require.Empty(t, faults)
	s.TokenSecret = "short"
	faults, _ = Check([]ServiceConfig{s}, Rules{AllowWeakSecrets: true})
	require.Equal(t, []string{"services[0].token_secret"}, paths(faults), "nothing makes a weak key of an HMAC good")
}

func TestReconcile(t *testing.T) {
	const now = engine.UnixMilli(1_700_000_000_000)
	const ttl = 3_600_000
	s := goodService()
	h := Reconcile([]ServiceConfig{s}, nil, now)
	require.ElementsMatch(t, []AliasRecord{{1415, "clientapp01", 17201083166161, 0}, {1415, "my-client", 26478243745571, 0}}, h.Changed)
	require.Empty(t, h.Retired)
	require.NoError(t, h.Fault)
	kept := h.Changed
	require.Equal(t, History{}, Reconcile([]ServiceConfig{s}, kept, now), "nothing has changed")

	renamed := goodService()
	renamed.Clients[0].Alias = "clientapp02"
	h = Reconcile([]ServiceConfig{renamed}, kept, now)
	retired := AliasRecord{1415, "clientapp01", 17201083166161, now + ttl}
	require.ElementsMatch(t, []AliasRecord{retired, {1415, "clientapp02", 17201083166161, 0}}, h.Changed)
	require.Equal(t, []RetiredAlias{{1415, "clientapp01", 17201083166161}}, h.Retired)
	require.NoError(t, h.Fault)

	kept = append(kept[:0:0], retired, AliasRecord{1415, "clientapp02", 17201083166161, 0}, AliasRecord{1415, "my-client", 26478243745571, 0})
	h = Reconcile([]ServiceConfig{renamed}, kept, now+ttl-1)
	require.Equal(t, History{Retired: []RetiredAlias{{1415, "clientapp01", 17201083166161}}}, h, "the first date counts")
	h = Reconcile([]ServiceConfig{renamed}, kept, now+ttl)
	require.Equal(t, History{Over: []AliasRecord{retired}}, h)

	h = Reconcile([]ServiceConfig{s}, kept, now+1)
	require.Contains(t, h.Changed, AliasRecord{1415, "clientapp01", 17201083166161, 0}, "it has come back to its client")
	require.NoError(t, h.Fault)

	moved := goodService()
	moved.Clients[0].Alias, moved.Clients[1].Alias = "", "clientapp01"
	for _, at := range []engine.UnixMilli{now, now + ttl - 1} {
		require.ErrorContains(t, Reconcile([]ServiceConfig{moved}, kept, at).Fault, "clientapp01")
	}
	require.NoError(t, Reconcile([]ServiceConfig{moved}, kept, now+ttl).Fault)
	require.ErrorContains(t, Reconcile([]ServiceConfig{moved}, []AliasRecord{{1415, "clientapp01", 17201083166161, 0}}, now).Fault, "26478243745571", "it would go over without a pause")

	gone := Reconcile(nil, []AliasRecord{{1415, "clientapp01", 17201083166161, 0}}, now)
	require.Equal(t, []RetiredAlias{{1415, "clientapp01", 17201083166161}}, gone.Retired)
	require.Equal(t, now+ttl, gone.Changed[0].Until, "without its service, for the default lifetime")
}

func TestParametersAreReadStrictly(t *testing.T) {
	p, ok := parseParameters("a=1&b=x+y%20z&c=&&d&e=%C3%A9")
	require.True(t, ok)
	require.Equal(t, parameters{"a": "1", "b": "x y z", "e": "é"}, p)
	many := ""
	for i := range maxParameters + 1 {
		many += fmt.Sprintf("p%d=1&", i)
	}
	for _, text := range []string{"a=1&a=1", "a=1&a", "a=1&%61=2", "a=%", "a=%zz", "a=%00", "a=%0a", "a=\n", "a=%ff", "=1", "%zz=1", many} {
		_, ok := parseParameters(text)
		require.False(t, ok, text)
	}
	for text, want := range map[string][]string{"": nil, "scope=a": {"a"}, "scope=a+b+a": {"a", "b"}} {
		p, _ := parseParameters(text)
		got, ok := p.scopes()
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"scope=+a", "scope=a++b", "scope=a%22", "scope=%C3%A9"} {
		p, _ := parseParameters(text)
		_, ok := p.scopes()
		require.False(t, ok, text)
	}
}

// Every code says of itself whose fault it is, and no two mean different things.
func TestResultsAreAClosedTable(t *testing.T) {
	texts := map[string]string{}
	for _, r := range Results() {
		require.Regexp(t, `^[AV][0-9]{6}$`, r.Code)
		if text, twice := texts[r.Code]; twice {
			require.Equal(t, text, r.Text, "%s means two things", r.Code)
		}
		texts[r.Code] = r.Text
		require.NotContains(t, r.Text, `"`)
		switch class := r.Code[4]; {
		case r.Status != 0, r.Code == "A004201", r.Code[0] == 'A' && class != '0':
		case r.Action == OK, r.Action == Interaction, r.Action == NoInteraction, r.Err == "":
			require.Equal(t, byte('0'), class, r.Code)
		case r.Action == InternalServerError && class != '2', r.Err == "server_error" && class != '2':
			require.Equal(t, byte('1'), class, r.Code)
		default:
			require.Contains(t, "23", string(class), r.Code)
		}
	}
}

package oauth

// The table of results. docs/http.md and metrics are made of it.
var (
	// Refusals of a call itself.
	ResultTLS      = refusal("A001201", 400, "The API must be called over TLS.")
	ResultNoCaller = refusal("A001202", 401, "The API call has no Authorization header.")
	ResultInternal = refusal("A001101", 500, "An error occurred in the server.")
	ResultCaller   = refusal("V001203", 401, "The credentials of the API call are not those of a service.")
	ResultOther    = refusal("V001204", 403, "The credentials of the API call are those of another service than the one in the path.")
	ResultBody     = refusal("V001205", 400, "The body of the API call cannot be read.")
	ResultUnserved = refusal("V001206", 400, "A member of the API call is not served here.")
	ResultMember   = refusal("V001207", 400, "A member of the API call has a value that cannot be used.")

	// /auth/authorization
	resultAuthorization       = result("A004001", Interaction, "", "A ticket was issued for the authorization request.")
	resultAuthorizationQuiet  = result("A004001", NoInteraction, "", "A ticket was issued for the authorization request.")
	resultAuthorizationEmpty  = result("A004201", BadRequest, "invalid_request", "The parameters of the authorization request are missing.")
	resultAuthorizationParams = result("V004301", BadRequest, "invalid_request", "The authorization request is malformed, or holds a parameter twice.")
	resultAuthorizationClient = result("V004302", BadRequest, "invalid_request", "The client of the authorization request is not known.")
	resultRedirectURI         = result("V004303", BadRequest, "invalid_request", "The redirect URI is missing, or is not one of the client's.")
	resultNoResponseType      = result("A009301", Location, "invalid_request", "The response type is missing.")
	resultResponseType        = result("A009305", Location, "unsupported_response_type", "The response type is not supported.")
	resultUnservedParameter   = result("V004304", Location, "invalid_request", "A parameter of the authorization request is not supported: response_mode other than query, max_age, acr_values, claims, id_token_hint, dpop_jkt or grant management.")
	resultRequestObject       = result("V004305", Location, "request_not_supported", "Request objects are not supported.")
	resultRequestURI          = result("V004306", Location, "request_uri_not_supported", "Request URIs are not supported.")
	resultResource            = result("V004307", Location, "invalid_target", "Resource indicators are not supported.")
	resultDetails             = result("V004308", Location, "invalid_authorization_details", "Authorization details are not supported.")
	resultUnauthorizedClient  = result("V004309", Location, "unauthorized_client", "The client may not use the authorization code grant.")
	resultAuthorizationScope  = result("V004310", Location, "invalid_scope", "A requested scope is malformed, or is not one of the client's.")
	resultNoChallenge         = result("A124301", Location, "invalid_request", "The code challenge is missing.")
	resultPlainChallenge      = result("A124308", Location, "invalid_request", "The code challenge method must be S256.")
	resultChallenge           = result("V004311", Location, "invalid_request", "The code challenge is malformed.")
	resultPrompt              = result("V004312", Location, "invalid_request", "The prompt is malformed, or none stands beside others.")

	// /auth/authorization/issue and /auth/authorization/fail
	resultIssue           = result("A040001", Location, "", "The authorization code was issued.")
	resultTicket          = result("V040301", BadRequest, "invalid_request", "The ticket is not known, or has expired.")
	resultTicketUsed      = result("V040302", BadRequest, "invalid_request", "The ticket was used before.")
	resultIssueUnknown    = result("V040101", InternalServerError, "server_error", "Whether the ticket was used before cannot be told.")
	resultFailTicket      = result("V041301", BadRequest, "invalid_request", "The ticket is not known, or has expired.")
	resultFailTicketUsed  = result("V041302", BadRequest, "invalid_request", "The ticket was used before.")
	resultFailUnknown     = result("V041101", InternalServerError, "server_error", "Whether the ticket was used before cannot be told.")
	resultLoginRequired   = result("V041311", Location, "login_required", "The user has to log in.")
	resultAccountRequired = result("V041312", Location, "account_selection_required", "The user has to select an account.")
	resultConsentRequired = result("V041313", Location, "consent_required", "The user has to consent.")
	resultInteraction     = result("V041314", Location, "interaction_required", "The user has to be asked.")
	resultDenied          = result("V041315", Location, "access_denied", "The user has denied the request.")
	resultTarget          = result("V041316", Location, "invalid_target", "The resource is not one that tokens are issued for.")
	resultServerFailed    = result("V041111", Location, "server_error", "An error occurred in the authorization server.")

	// /auth/token
	resultToken            = result("A050001", OK, "", "The token request was processed.")
	resultTokenParams      = result("V050301", BadRequest, "invalid_request", "The token request is malformed, or holds a parameter twice.")
	resultTokenClient      = result("V050302", InvalidClient, "invalid_client", "The client could not be authenticated.")
	resultTokenChannel     = result("A157357", InvalidClient, "invalid_client", "The client's credentials are not where its authentication method puts them.")
	resultTokenTwoMethods  = result("V050303", BadRequest, "invalid_request", "The request uses more than one method of client authentication.")
	resultTokenTwoClients  = result("V050304", BadRequest, "invalid_request", "The request names two clients.")
	resultTokenAssertion   = result("V050305", BadRequest, "invalid_request", "Client assertions are not supported.")
	resultNoGrantType      = result("V050306", BadRequest, "invalid_request", "The grant type is missing.")
	resultGrantType        = result("V050307", BadRequest, "unsupported_grant_type", "The grant type is not supported.")
	resultGrantTypeDenied  = result("A295306", BadRequest, "unauthorized_client", "The client may not use the grant type.")
	resultTokenScope       = result("V050308", BadRequest, "invalid_scope", "A requested scope is malformed, or was not granted.")
	resultTokenResource    = result("V050309", BadRequest, "invalid_target", "Resource indicators are not supported.")
	resultTokenDetails     = result("V050310", BadRequest, "invalid_authorization_details", "Authorization details are not supported.")
	resultNoCode           = result("V050311", BadRequest, "invalid_request", "The authorization code is missing.")
	resultCode             = result("V050312", BadRequest, "invalid_grant", "The authorization code is not known, has expired or was revoked.")
	resultCodeClient       = result("V050313", BadRequest, "invalid_grant", "The authorization code was issued to another client.")
	resultCodeRedirect     = result("V050314", BadRequest, "invalid_grant", "The redirect URI is not that of the authorization request.")
	resultCodeVerifier     = result("V050315", BadRequest, "invalid_grant", "The code verifier is missing, or is not that of the code challenge.")
	resultNoCodeChallenge  = result("A050317", BadRequest, "invalid_grant", "There is a code verifier, and was no code challenge.")
	resultCodeUsed         = result("V050316", BadRequest, "invalid_grant", "The authorization code was used before. All tokens that came of it are revoked.")
	resultNoRefreshToken   = result("V050318", BadRequest, "invalid_request", "The refresh token is missing.")
	resultRefreshToken     = result("V050319", BadRequest, "invalid_grant", "The refresh token is not known, has expired or was revoked.")
	resultRefreshClient    = result("V050320", BadRequest, "invalid_grant", "The refresh token was issued to another client.")
	resultRefreshUsed      = result("V050321", BadRequest, "invalid_grant", "The refresh token was used before. All tokens of its authorization are revoked.")
	resultTokenUnknown     = result("V050101", InternalServerError, "server_error", "Whether the code or refresh token was used before cannot be told.")
	resultTokenNotRevoked  = result("V050102", InternalServerError, "server_error", "The code or refresh token was used before, and revoking its tokens failed.")
	resultTokenSize        = result("V050201", InternalServerError, "server_error", "The token would be longer than is verified: it has too many properties, claims or scopes.")
	resultTokenNoSealing   = result("V050103", InternalServerError, "server_error", "The server has no sealing secret.")
	resultNoSealing        = result("V004103", InternalServerError, "server_error", "The server has no sealing secret.")
	resultTicketSize       = result("V004313", BadRequest, "invalid_request", "The authorization request is too long.")
	resultIssueNotPossible = result("V040103", InternalServerError, "server_error", "The code would be too long, or the server has no sealing secret.")

	// /auth/introspection
	resultIntrospection = result("A056001", OK, "invalid_request", "The access token is valid.")
	resultNoToken       = result("V056201", BadRequest, "invalid_request", "The token is missing.")
	resultTokenExpired  = result("V056301", Unauthorized, "invalid_token", "The access token has expired.")
	resultTokenInvalid  = result("V056302", Unauthorized, "invalid_token", "The access token does not exist, or was revoked.")
	resultProof         = result("A065308", Unauthorized, "invalid_token", "The access token is bound to a key, and proofs of possession are not supported.")
	resultInsufficient  = result("V056303", Forbidden, "insufficient_scope", "The access token does not cover the scopes.")
	resultSubject       = result("V056304", Forbidden, "invalid_request", "The access token is that of another subject.")

	// /auth/introspection/standard
	resultStandard       = result("A145001", OK, "", "The introspection request was processed.")
	resultStandardParams = result("V145301", BadRequest, "invalid_request", "The introspection request is malformed, or holds a parameter twice.")
	resultStandardToken  = result("V145302", BadRequest, "invalid_request", "The token is missing.")

	// /auth/revocation
	resultRevocation           = result("A113001", OK, "", "The revocation request was processed.")
	resultRevocationParams     = result("V113301", BadRequest, "invalid_request", "The revocation request is malformed, or holds a parameter twice.")
	resultRevocationClient     = result("V113302", InvalidClient, "invalid_client", "The client could not be authenticated.")
	resultRevocationTwoMethods = result("V113303", BadRequest, "invalid_request", "The request uses more than one method of client authentication.")
	resultRevocationTwoClients = result("V113304", BadRequest, "invalid_request", "The request names two clients.")
	resultRevocationAssertion  = result("V113305", BadRequest, "invalid_request", "Client assertions are not supported.")
	resultRevocationToken      = result("V113306", BadRequest, "invalid_request", "The token is missing.")
	resultRevocationCallback   = result("V113307", BadRequest, "invalid_request", "JSONP callbacks are not supported.")
	resultNotRevoked           = result("V113101", InternalServerError, "server_error", "The revocation could not be kept.")
)

// table collects what result and refusal define.
var table []*Result

func result(code string, action Action, err, text string) *Result {
	r := &Result{Code: code, Text: text, Action: action, Err: err}
	table = append(table, r)
	return r
}

func refusal(code string, status int, text string) *Result {
	r := &Result{Code: code, Text: text, Status: status}
	table = append(table, r)
	return r
}

// Results returns the whole table, by code. Where a code can come with two actions
// it is there twice.
func Results() []*Result { return table }

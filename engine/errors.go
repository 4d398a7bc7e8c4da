package engine

// The table of refusals. It drives verification, HTTP, WebSocket, the command
// line, metrics and docs/errors.md. Codes and statuses are Ably's
// (ably-common, errors/codes). A code from 40140 to 40149 makes SDKs fetch a new
// token, so faults that a new token of the same issuer would have again carry
// 40003 instead.
var (
	ErrNoCredentials   = define(StepCredential, "no_credentials", 40101, 401, "Not authorized: no credentials", "the request carries no credential", "send Authorization: Bearer TOKEN, Authorization: Basic KEY, ?access_token= or ?key=")
	ErrMalformedKey    = define(StepCredential, "malformed_key", 40005, 400, "Invalid key in request", "the key is not of the form appId.keyId:secret", "send the whole key string, its secret included")
	ErrMalformedToken  = define(StepCredential, "malformed_token", 40005, 400, "Invalid accessToken in request", "the token is empty or is neither a token nor the base64 of one", "send the token as it was issued, or its base64 as a Bearer credential")
	ErrTokenTooLong    = define(StepCredential, "token_too_long", 40005, 400, "Invalid accessToken in request: longer than 8192 bytes", "the token is longer than the limit", "grant fewer resources, or use wildcards, so that the token gets shorter")
	ErrAblyToken       = define(StepCredential, "ably_token_invalid", 40145, 401, "invalid Ably token", "an opaque token that this server has not issued", "request a token from this server")
	ErrSegments        = define(StepCredential, "jwt_segments", 40144, 401, "invalid JWT format: not three segments", "the token does not have exactly three segments", "send the JWT as compact serialization: header.claims.signature (RFC 7515 §7.1)")
	ErrPadding         = define(StepCredential, "base64_padding", 40144, 401, "invalid JWT format: base64 padding", "a segment ends in =", "mint with base64url without padding (RFC 7515 §2): the published PHP sample needs rtrim(strtr(…, '+/', '-_'), '='); or set tokens.spelling: documented")
	ErrAlphabet        = define(StepCredential, "base64_alphabet", 40144, 401, "invalid JWT format: standard base64 alphabet", "a segment holds + or /", "mint with base64url, which writes - and _ (RFC 7515 §2): the published PHP sample needs rtrim(strtr(…, '+/', '-_'), '='); or set tokens.spelling: documented")
	ErrTrailingBits    = define(StepCredential, "base64_trailing_bits", 40144, 401, "invalid JWT format: stray bits at the end of a segment", "the unused bits of a segment's last character are not zero", "send the token unchanged")
	ErrBase64          = define(StepCredential, "base64_invalid", 40144, 401, "invalid JWT format: a segment is not base64url", "a segment holds a byte that is not base64url, or its length is impossible", "send the token unchanged, without line breaks or spaces")
	ErrHeader          = define(StepHeader, "header_malformed", 40144, 401, "invalid JWT format: the header is not a JSON object", "the JOSE header is not one strict JSON object within the limits", "mint with a JWT library")
	ErrAlgorithm       = define(StepHeader, "alg_not_allowed", 40144, 401, "invalid JWT format: alg must be HS256", "alg is missing or not exactly HS256", "sign with HS256 and the key's secret")
	ErrCritical        = define(StepHeader, "critical_header", 40144, 401, "invalid JWT format: crit is not supported", "the header holds crit (RFC 7515 §4.1.11)", "mint without critical extensions")
	ErrEmbedded        = define(StepEmbedded, "embedded_token", 40144, 401, "invalid JWT format: an embedded token carries another one", "the token in x-ably-token has an x-ably-token itself", "embed the Ably token itself")
	ErrType            = define(StepHeader, "typ_not_allowed", 40144, 401, "invalid JWT format: typ is not that of an Ably JWT", "typ is not a string, or names an OAuth access token", "set typ to JWT or leave it out")
	ErrKidMissing      = define(StepHeader, "kid_missing", 40144, 401, "invalid JWT format: kid is missing", "the header has no kid", "set kid to the key name, appId.keyId")
	ErrKid             = define(StepHeader, "kid_invalid", 40144, 401, "invalid JWT format: kid is not a key name", "kid is not a string of 1 to 128 bytes", "set kid to the key name, appId.keyId")
	ErrDuplicateName   = define(StepClaims, "duplicate_name", 40144, 401, "invalid JWT format: a name occurs twice", "a JSON object in the token repeats a name (RFC 7519 §4)", "write every header parameter and claim once")
	ErrUnknownApp      = define(StepKey, "unknown_app", 40400, 404, "No application found with id specified in key", "the app in kid is not configured here", "check kid, and that the client talks to the right server")
	ErrUnknownKey      = define(StepKey, "unknown_key", 40400, 401, "No key found with the id specified", "the app is known, the key id is not", "check the key name; a removed key stays unknown")
	ErrKeyAppUnknown   = define(StepKey, "key_app_unknown", 40101, 401, "Not authorized", "the app in the API key is not configured here", "check the key, and that the client talks to the right server")
	ErrSecret          = define(StepSignature, "bad_secret", 40101, 401, "Not authorized", "the key is known, its secret differs", "send the key's present secret")
	ErrSignature       = define(StepSignature, "bad_signature", 40144, 401, "invalid JWT format", "the signature was not made with this key's secret over this header and these claims", "sign with the secret of the key that kid names, byte for byte")
	ErrKeyDisabled     = define(StepKeyState, "key_disabled", 40130, 401, "key not permitted", "the key is disabled in the configuration", "enable the key or use another one")
	ErrKeyVerifyOnly   = define(StepKeyState, "key_verify_only", 40130, 401, "key not permitted", "the key is being rotated out: its tokens still verify, the key itself is no longer accepted", "use the new key")
	ErrKeyRevoked      = define(StepKeyState, "key_revoked", 40131, 401, "key/token status changed (revoke)", "the key is revoked in the configuration", "use another key")
	ErrKeyExpired      = define(StepKeyState, "key_expired", 40132, 401, "key expired", "the key's not_after has passed", "use another key, or move not_after")
	ErrClaims          = define(StepClaims, "claims_malformed", 40144, 401, "invalid JWT format: the claims are not a JSON object", "the claims are not one strict JSON object within the limits", "mint with a JWT library")
	ErrIssuedAtMissing = define(StepTime, "iat_missing", 40144, 400, "Invalid token; iat must be specified", "the claim iat is missing", "set iat to the time of minting, in seconds")
	ErrExpiryMissing   = define(StepTime, "exp_missing", 40144, 400, "Invalid token; exp must be specified", "the claim exp is missing", "set exp, in seconds")
	ErrTimeClaim       = define(StepTime, "time_claim_invalid", 40144, 401, "invalid JWT format: iat, exp and nbf must be numbers of seconds", "iat, exp or nbf is not a number from 0 to 2^53", "write times as JSON numbers of seconds (RFC 7519 §2, NumericDate)")
	ErrTokenExpired    = define(StepTime, "token_expired", 40142, 401, "token expired", "exp has passed; there is no leeway", "mint a new token; check the minting host's clock")
	ErrExpiryOrder     = define(StepTime, "exp_not_after_iat", 40003, 400, "exp must be later than iat", "exp is not later than iat", "set exp to iat plus the lifetime, both in seconds")
	ErrIssuedInFuture  = define(StepTime, "issued_in_future", 40144, 401, "invalid JWT format", "iat is more than 60 s ahead of this server's clock", "correct the minting host's clock; iat is in seconds, not milliseconds")
	ErrNotYetValid     = define(StepTime, "not_yet_valid", 40144, 401, "invalid JWT format", "nbf is more than 60 s ahead of this server's clock", "present the token later, or correct the minting host's clock")
	ErrTTL             = define(StepTime, "ttl_too_long", 40003, 400, "token ttl exceeds the maximum", "exp - iat is more than 24 h, or 1 h for a key with revocable tokens", "mint shorter tokens and renew them; exp is in seconds, not milliseconds")
	ErrAblyHeader      = define(StepAblyHeader, "unknown_ably_header", 40003, 400, "unknown header parameter beginning with x-ably-", "a header parameter that begins with x-ably- is not known, so what it restricts would be ignored", "correct its spelling; explain names it and the nearest known one")
	ErrAblyClaim       = define(StepAblyClaims, "unknown_ably_claim", 40003, 400, "unknown claim beginning with x-ably-", "a claim that begins with x-ably- is not known, so what it restricts would be ignored", "correct its spelling; explain names it and the nearest known one")
	ErrClaim           = define(StepAblyClaims, "claim_invalid", 40003, 400, "a claim reserved by Ably has a wrong value", "x-ably-token, x-ably-revocation-key, x-ably-clientType or an ably. claim has a wrong type or value", "see docs/terms.md for each claim's form")
	ErrClientID        = define(StepTokenClientID, "client_id_invalid", 40012, 400, "Invalid token; clientId must be a string of 1 to 256 bytes", "a clientId is not a string of 1 to 256 bytes, holds a control character, or holds * among others", "use a plain identifier; * alone means any")
	ErrCapability      = define(StepCapability, "capability_invalid", 40003, 400, "invalid x-ably-capability", "the capability is not an object from resource to operations, or holds an unknown operation or a malformed resource", "check it with: portcullis capability lint")
	ErrCapabilitySize  = define(StepCapability, "capability_too_large", 40003, 400, "invalid x-ably-capability: more than 32 KiB or 1024 resources", "the capability, or what it has in common with the key's, is over the limit", "use wildcards, or split the grant over several tokens")
	ErrTokenRevoked    = define(StepRevocation, "token_revoked", 40141, 401, "token revoked", "a revocation covers this token", "request a new token")
	ErrNothingGranted  = define(StepIntersection, "capability_empty", 40160, 401, "operation not permitted with provided capability", "the token's capability and its key's have nothing in common", "ask for resources and operations that the key has")

	ErrEmbeddedMalformed = define(StepEmbedded, "embedded_malformed", 40144, 401, "invalid JWT format: x-ably-token is not a token", "x-ably-token is not a string with an Ably token, or header and claims carry different ones", "put the Ably token, as it was issued, into x-ably-token of the header or of the claims")
	ErrOuterExpired      = define(StepEmbedded, "embedded_outer_expired", 40142, 401, "token expired: exp of the outer JWT has passed", "exp of the JWT that carries the token has passed", "mint a new JWT")
	ErrOuterLater        = define(StepOuterExpiry, "embedded_outer_later", 40144, 401, "invalid JWT format: exp is later than that of the embedded token", "the JWT that carries the token expires more than 5 s later than the token itself", "let the outer JWT expire when the inner token does, or earlier")

	ErrForbidden = define(StepPeer, "forbidden", 40300, 403, "forbidden", "the key may not be presented from this origin or address", "present it from where its restrictions allow, or use a token")

	ErrAblyTokenUnrecognized = define(StepSignature, "ably_token_unrecognized", 40143, 401, "token unrecognized", "the opaque token names a key or a sealing secret that this server does not have", "request a new token; nodes of one fleet must share tokens.seal_secrets or the store")
	ErrTokenKind             = define(StepCredential, "token_kind", 40145, 401, "invalid Ably token", "the opaque token is a device token, which is no credential to connect with", "connect with a token or an API key; a device token goes beside it, in X-Ably-DeviceToken")
	ErrDeviceToken           = define(StepSignature, "device_token_invalid", 40100, 401, "Not authorized", "not a device token, or one that this server has not issued, or of a key or secret that has been replaced", "register the device again, with its deviceSecret")
	ErrDeviceTokenExpired    = define(StepTime, "device_token_expired", 40100, 401, "Not authorized", "the device token was issued five years ago", "register the device again, with its deviceSecret")
	ErrDeviceTokenRevoked    = define(StepRevocation, "device_token_revoked", 40100, 401, "Not authorized", "the clientId of the device token, or the token that it was issued on, was revoked", "register the device again, with a token that was issued later")
	ErrDeviceTokenStale      = define(StepRevocation, "device_token_stale", 40100, 401, "Not authorized", "the registration of the device token is gone or was replaced since it was issued", "use the deviceIdentityToken of the last registration, or register the device again")
	ErrDeviceTokenForeign    = define(StepOperation, "device_token_foreign", 40100, 401, "Not authorized", "the device token is that of another device or app than the request concerns, or stands alone where it may not", "send the token of the very device; alone it will do for changing and deleting its registration and for its subscriptions")
	ErrDeviceSecret          = define(StepOperation, "device_secret_wrong", 40100, 401, "Not authorized", "the deviceSecret is not that of the registration", "send the deviceSecret that the device was registered with, or ask somebody with push-admin to delete the registration")
	ErrDeviceProof           = define(StepOperation, "device_not_authenticated", 40100, 401, "Not authorized", "with push-subscribe alone a request must prove which device it comes from, and does not", "send X-Ably-DeviceToken or X-Ably-DeviceSecret, or use a credential with push-admin")
	ErrDeviceUnknown         = define(StepRequest, "device_unknown", 40400, 404, "no device with this id is registered", "the app has no registration of this device", "register it first")
	ErrPushLimit             = define(StepRequest, "push_limit", 40003, 400, "too many or too large push registrations", "the app, the clientId or the device has as many registrations or subscriptions as it may, or one is too large", "delete what is no longer used; docs/http.md has the limits")
	ErrTokenRequest          = define(StepCredential, "token_request_malformed", 40001, 400, "invalid request body", "the TokenRequest lacks keyName, timestamp or, when signed, a nonce of 16 characters, or one of its fields has a wrong type or a control character", "sign it with an Ably SDK or portcullis issue request")
	ErrTokenRequestKey       = define(StepCredential, "token_request_key_mismatch", 40001, 400, "invalid request body: keyName is not that of the path", "the TokenRequest names another key than the path", "post it to the path of its own keyName")
	ErrMAC                   = define(StepSignature, "bad_mac", 40101, 401, "Not authorized", "the TokenRequest's mac was not made with this key's secret over these fields", "sign keyName, ttl, capability, clientId, timestamp and nonce, each followed by a line feed, with the key's secret")
	ErrTimestamp             = define(StepTime, "timestamp_not_current", 40104, 401, "Timestamp not current", "the TokenRequest's timestamp is more than two minutes from this server's clock", "correct the signer's clock, or sign with queryTime")
	ErrRequestedTTL          = define(StepTime, "ttl_invalid", 40003, 400, "invalid ttl", "the requested ttl is not a number of milliseconds from 1 to the maximum: 24 h, or 1 h for a key with revocable tokens", "ask for a shorter ttl")
	ErrNonceReplayed         = define(StepNonce, "nonce_replayed", 40105, 401, "Nonce value replayed", "a TokenRequest with this nonce was redeemed before", "sign a new TokenRequest for every token")
	ErrTokenSize             = define(StepCapability, "token_too_large", 40003, 400, "invalid capability: too large for a token of 8192 bytes", "the granted capability does not fit a token", "grant fewer resources, or use wildcards")
	ErrKeyMismatch           = define(StepSignature, "key_mismatch", 40101, 401, "Not authorized", "an unsigned TokenRequest came with the credentials of another key", "authenticate with the key that the TokenRequest names")
	ErrSandbox               = define(StepRequest, "sandbox_refused", 40101, 401, "Not authorized", "the sandbox token is missing or wrong, or the app is not this key's", "send Authorization: Bearer with server.sandbox_token, or the app's own first key")
	ErrSandboxFull           = define(StepRequest, "sandbox_full", 40127, 401, "too many apps", "the sandbox has as many apps as it may", "delete apps, or wait: each lives for a day")
	ErrMessage               = define(StepRequest, "message_malformed", 40013, 400, "invalid message", "a message is not an object, or its name, clientId, data, encoding or extras has a wrong type", "send objects whose data is text, binary, an object or an array")
	ErrMessageSize           = define(StepRequest, "message_too_large", 40009, 413, "maximum message length exceeded", "the messages of one publish have more than 65536 bytes of name, clientId, data and extras together", "send less in one publish")
	ErrFrame                 = define(StepRequest, "frame_malformed", 40000, 400, "bad request: malformed frame", "a frame is not one map of distinct names with an action, or one of its members has a wrong type", "send frames as an Ably SDK does")
	ErrFrameSize             = define(StepRequest, "frame_too_large", 40009, 413, "maximum frame length exceeded", "a frame is over 512 KiB", "send less in one frame")
	ErrPresenceFull          = define(StepOperation, "presence_full", 91003, 400, "unable to enter presence channel (maximum member limit exceeded)", "the channel has as many members as it may, or they hold as much data as they may", "use several channels")
	ErrConnectionKey         = define(StepOperation, "connection_key_mismatch", 40006, 400, "Malformed message; mismatched connectionId", "a message names a connection that is not its sender's", "publish over the connection itself")
	ErrBasicNeeded           = define(StepCredential, "basic_auth_required", 40162, 401, "this operation needs the API key, not a token", "a token was presented where only the key itself will do", "authenticate with Basic and the API key")
	ErrUnavailable           = define(StepService, "store_unavailable", 50003, 503, "request could not be completed in time", "the store is slow, unreachable, full, or may have lost its history", "retry after the time that Retry-After gives; see the log and /readyz")

	ErrLimitParameter       = define(StepRequest, "limit_invalid", 40003, 400, "limit is not a number from 1 to 1000", "the parameter limit of a list is not a number from 1 to 1000", "ask for fewer, and follow the Link headers")
	ErrConnectionKeyUnknown = define(StepRequest, "connection_key_unknown", 80018, 400, "invalid connection key", "a client came back with a connection key that is unknown or older than two minutes; it got a new connection", "nothing: SDKs attach their channels again")
	ErrReauthentication     = define(StepCredential, "reauthentication_refused", 40101, 401, "Not authorized: the new token was refused", "the token of an AUTH frame does not verify; explain says why", "send a token that verifies; explain it")
	ErrNotServed            = define(StepOperation, "operation_not_served", 40000, 400, "bad request: not served", "a frame asks for history, objects or annotations, which this server does not keep", "use a service that keeps messages")
	ErrForgotten            = define(StepService, "publish_outcome_unknown", 50003, 503, "the outcome of this publish is not known any more", "a publish was repeated after 256 later ones", "publish again if it may be delivered twice")
	ErrDraining             = define(StepService, "draining", 50003, 503, "the server is shutting down", "the server was told to stop", "connect again: SDKs do so by themselves")

	ErrKeyRemoved       = define(StepKeyState, "key_removed", 40130, 401, "key not permitted", "the key of a live connection was removed from the configuration, or its secret was replaced", "use a key that is configured, with its present secret")
	ErrClientType       = define(StepClientID, "client_type_unsigned", 40167, 401, "clientType server must be signed into the token", "the connection declares clientType=server and its token lacks the claim", "mint the token with x-ably-clientType, or drop the parameter")
	ErrIdentifiedOnly   = define(StepOperation, "identified_client_required", 40161, 401, "operation not permitted: requires an identified client", "the channel's namespace is for identified clients and the connection is anonymous", "mint the token with x-ably-clientId")
	ErrModeNotRequested = define(StepOperation, "mode_not_requested", 40165, 401, "operation not permitted: the channel mode was not requested when attaching", "the channel was attached without the mode that the operation needs; the capability grants it", "request the mode when attaching, or attach with the default modes")
	ErrNotAttached      = define(StepOperation, "channel_not_attached", 90001, 404, "channel operation failed: not attached", "presence was entered, updated or left on a channel that the connection is not attached to", "attach first")
	ErrAttachments      = define(StepOperation, "too_many_channels", 90010, 400, "maximum number of channels per connection exceeded", "the connection is attached to 1,000 channels already", "detach what is not needed, or use another connection")
	ErrPublishRate      = define(StepOperation, "publish_rate", 42911, 429, "rate limit exceeded: too many messages on this channel", "the connection publishes faster than its token's claim ably.limits.publish.perAttachment.maxRate allows", "publish more slowly, or mint the token with a higher rate")
	ErrAppConnections   = define(StepPeer, "app_connections", 40150, 401, "too many connections of this app", "the app has as many connections as limits.connections_per_app", "raise the limit, or close connections")
	ErrTokenConnections = define(StepPeer, "token_connections", 40151, 401, "too many connections with this token", "the token has as many connections as limits.connections_per_token", "issue a token for each client, or raise the limit")

	ErrClientIDMismatch   = define(StepClientID, "client_id_mismatch", 40102, 401, "Invalid clientId for credentials", "the request names a clientId that the token does not carry", "drop the clientId from the request, or mint the token for it (or for *)")
	ErrRequestClientID    = define(StepClientID, "request_client_id_invalid", 40012, 400, "invalid clientId", "the clientId of the request is not of 1 to 256 bytes, holds a control character, or holds *", "use a plain identifier")
	ErrOperationClientID  = define(StepOperation, "operation_client_id_invalid", 40012, 400, "invalid clientId", "a message names a clientId that is not the connection's", "leave the clientId of messages out, or connect with a wildcard token")
	ErrPresenceClientID   = define(StepOperation, "presence_without_client_id", 91000, 400, "unable to enter presence channel (no clientId)", "presence needs a concrete clientId", "mint the token with x-ably-clientId, or connect with ?clientId=")
	ErrChannel            = define(StepChannel, "channel_invalid", 40010, 400, "invalid channel name", "the channel name is empty, begins with : or with an unknown qualifier, or holds a control character", "correct the channel name")
	ErrCapabilityDenied   = define(StepOperation, "capability_denied", 40160, 401, "operation not permitted with provided capability", "no rule of the capability grants this operation on this channel", "grant it in the token and in its key; explain shows every rule")
	ErrInsecureBasic      = define(StepCredential, "insecure_basic", 40103, 401, "Invalid use of Basic authentication over non-TLS transport", "an API key was sent over a connection without TLS", "use TLS, or tokens; allow_insecure_basic allows keys in the clear")
	ErrAmbiguous          = define(StepCredential, "ambiguous_credentials", 40000, 400, "bad request: a parameter is given twice", "a query parameter is repeated, or a credential or clientId is given in two ways that differ", "send each once")
	ErrAuthorization      = define(StepCredential, "authorization_malformed", 40000, 400, "bad request: Authorization must be Basic or Bearer", "the Authorization header is neither Basic nor Bearer", "send Authorization: Bearer TOKEN or Authorization: Basic KEY")
	ErrClientIDHeader     = define(StepRequest, "client_id_header_malformed", 40004, 400, "bad request header: X-Ably-ClientId must be base64", "X-Ably-ClientId is not base64", "send the clientId as base64 of its UTF-8")
	ErrOperationParameter = define(StepRequest, "operation_unknown", 40003, 400, "invalid op: not an operation", "op is not one of the operations of Ably capabilities", "see portcullis verify --help for the operations")
	ErrChannelParameter   = define(StepRequest, "channel_or_op_missing", 40000, 400, "bad request: channel and op go together", "only one of channel and op is given", "give both, or neither")
	ErrBadRequest         = define(StepRequest, "bad_request", 40000, 400, "bad request", "the HTTP request is malformed", "send a well-formed request")
	ErrBody               = define(StepRequest, "body_malformed", 40001, 400, "invalid request body", "the request's body is not what the endpoint takes", "see docs/http.md")
	ErrBodyTooLarge       = define(StepRequest, "body_too_large", 40009, 413, "request body too large", "the request's body is over the endpoint's limit", "send less")
	ErrHeaderTooLarge     = define(StepRequest, "header_too_large", 40000, 431, "bad request: header block too large", "the request's head is over 16 KiB", "send the token once, and shorter headers")
	ErrNotFound           = define(StepRequest, "not_found", 40400, 404, "not found", "no endpoint has this path", "see docs/http.md")
	ErrMethod             = define(StepRequest, "method_not_allowed", 40500, 405, "method not allowed", "the endpoint does not take this method", "see docs/http.md")
	ErrTimeout            = define(StepRequest, "request_timeout", 40000, 408, "bad request: not received in time", "the request did not arrive in time", "send requests without pausing")
	ErrMisdirected        = define(StepRequest, "host_not_allowed", 40300, 403, "forbidden: Host is not this server's", "a server on a loopback address was asked under a name that is not a loopback one, as a foreign web page would by DNS rebinding", "use http://127.0.0.1 or http://localhost, or list the proxy in trusted_proxies")
	ErrOrigin             = define(StepRequest, "origin_not_allowed", 40300, 403, "forbidden: cross-site request", "a web page of another origin sent a request to the admin listener, or to the sandbox of a server on a loopback address", "use a page of this machine, or no browser")
	ErrAdminToken         = define(StepRequest, "admin_token_required", 40101, 401, "Not authorized: admin token required", "the admin listener has a token and the request does not bear it", "send Authorization: Bearer with the content of admin_token_file")
	ErrExpectation        = define(StepRequest, "expectation_failed", 40000, 417, "bad request: Expect", "the request expects something else than 100-continue", "drop the Expect header")
	ErrVersion            = define(StepRequest, "http_version", 40000, 505, "bad request: HTTP version", "the request is neither HTTP/1.0 nor HTTP/1.1", "speak HTTP/1.1")
	ErrRefusals           = define(StepCredential, "too_many_refusals", 42910, 429, "rate limit exceeded: this token has been refused too often", "one token was refused more than ten times in ten seconds", "fetch a new token; a client that repeats a refused one does not renew it")
	ErrRevokeOtherKey     = define(StepKey, "revoke_other_key", 40133, 401, "Can only revoke tokens using the same key that issued them", "the credentials are of another key than the one in the path", "authenticate with the key that issued the tokens")
	ErrNotRevocable       = define(StepKeyState, "key_not_revocable", 40163, 401, "token revocation is not enabled for this key", "the key's tokens are not revocable", "set revocable_tokens: true for the key; tokens issued from then on can be revoked")
	ErrIssuedBefore       = define(StepRequest, "issued_before_invalid", 40003, 400, "invalid issuedBefore", "issuedBefore is in the future or more than an hour ago", "leave it out, or give milliseconds of the last hour")
	ErrRevocationTarget   = define(StepRequest, "revocation_target_invalid", 40000, 400, "invalid target type", "a target is not clientId:, revocationKey: or channel: and a value", "correct the target")
	ErrChannelRevocation  = define(StepRequest, "channel_revocation_off", 40121, 401, "revocation by channel is not enabled", "targets of type channel are switched off", "set tokens.channel_revocation: true, or revoke by clientId or revocationKey")
	ErrBatch              = define(StepRequest, "batch_errors", 40020, 400, "Batched response includes errors", "some targets could not be revoked, and the client's version of the protocol knows no other answer", "see batchResponse; send X-Ably-Version: 3 or later for one answer for each target")
	ErrRevocationRate     = define(StepRequest, "revocation_rate", 42910, 429, "rate limit exceeded: too many revocations", "the app has revoked more often in this minute than limits.revocations_per_minute", "name up to 100 targets in one request")
	ErrConfiguration      = define(StepRequest, "configuration_refused", 40000, 422, "the configuration is not valid: the old one stays, the log says why", "a reload found a fault in the configuration", "see the log, or run portcullis config check")
	ErrSealSecretMissing  = define(StepService, "seal_secret_missing", 50000, 500, "internal error", "the Verifier has no sealing secret to issue tokens with", "give Options.Seal; the command makes one and keeps it in the store")
	ErrInternal           = define(StepService, "internal", 50000, 500, "internal error", "a defect in the server", "report it, with the log line")
	ErrOverloaded         = define(StepService, "overloaded", 50004, 503, "overloaded", "the server sheds load", "retry after the time that Retry-After gives")
	ErrAccessToken        = define(StepCredential, "access_token_invalid", 40144, 401, "invalid access token", "an opaque access token, code, ticket or refresh token that this service has not issued, or of another issuer", "authorize the client again")
	ErrAccessTokenIssuer  = define(StepClaims, "access_token_issuer", 40144, 401, "invalid access token", "iss is not the issuer of the service", "set issuer of the service to the iss of its tokens, letter for letter")
	ErrAccessTokenClaim   = define(StepClaims, "access_token_claim", 40144, 401, "invalid access token", "client_id, jti, sub, scope or aud is missing or of a wrong type, or aud does not name the audience of the service", "see docs/http.md for the claims of each token profile")
	ErrAccessTokenProof   = define(StepClaims, "access_token_proof", 40144, 401, "invalid access token", "the access token is bound to a key (cnf), and no proof of possession is served here", "issue a bearer token")
	ErrAccessTokenClient  = define(StepKeyState, "access_token_client", 40144, 401, "invalid access token", "the client of the access token is not configured any more", "authorize another client")
)

func define(step Step, reason Reason, code, status int, message, cause, fix string) *ErrorInfo {
	return &ErrorInfo{Code: code, StatusCode: status, Message: message, reason: reason, step: step, cause: cause, fix: fix}
}

// Errors returns the whole table, in the order of docs/errors.md.
func Errors() []*ErrorInfo {
	return []*ErrorInfo{
		ErrNoCredentials, ErrMalformedKey, ErrMalformedToken, ErrTokenTooLong, ErrAblyToken, ErrInsecureBasic, ErrAmbiguous, ErrAuthorization,
		ErrSegments, ErrPadding, ErrAlphabet, ErrTrailingBits, ErrBase64,
		ErrHeader, ErrAlgorithm, ErrCritical, ErrEmbedded, ErrEmbeddedMalformed, ErrOuterExpired, ErrOuterLater, ErrType, ErrKidMissing, ErrKid, ErrDuplicateName,
		ErrUnknownApp, ErrUnknownKey, ErrKeyAppUnknown, ErrSecret, ErrSignature,
		ErrKeyDisabled, ErrKeyVerifyOnly, ErrKeyRevoked, ErrKeyExpired,
		ErrClaims, ErrIssuedAtMissing, ErrExpiryMissing, ErrTimeClaim, ErrTokenExpired, ErrExpiryOrder, ErrIssuedInFuture, ErrNotYetValid, ErrTTL,
		ErrAblyHeader, ErrAblyClaim, ErrClaim, ErrClientID, ErrCapability, ErrCapabilitySize, ErrTokenRevoked, ErrNothingGranted,
		ErrAblyTokenUnrecognized, ErrTokenKind, ErrDeviceToken, ErrDeviceTokenExpired, ErrDeviceTokenRevoked, ErrDeviceTokenStale, ErrDeviceTokenForeign, ErrDeviceSecret, ErrDeviceProof, ErrDeviceUnknown, ErrPushLimit,
		ErrAccessToken, ErrAccessTokenIssuer, ErrAccessTokenClaim, ErrAccessTokenProof, ErrAccessTokenClient,
		ErrTokenRequest, ErrTokenRequestKey, ErrMAC, ErrTimestamp, ErrRequestedTTL, ErrNonceReplayed, ErrTokenSize, ErrKeyMismatch, ErrBasicNeeded, ErrSandbox, ErrSandboxFull, ErrMessage, ErrMessageSize, ErrFrame, ErrFrameSize, ErrPresenceFull, ErrConnectionKey,
		ErrKeyRemoved,
		ErrForbidden, ErrAppConnections, ErrTokenConnections, ErrClientIDMismatch, ErrRequestClientID, ErrClientType, ErrChannel, ErrCapabilityDenied, ErrPresenceClientID, ErrOperationClientID,
		ErrIdentifiedOnly, ErrModeNotRequested, ErrNotAttached, ErrAttachments, ErrPublishRate,
		ErrLimitParameter, ErrConnectionKeyUnknown, ErrReauthentication, ErrNotServed, ErrForgotten, ErrDraining,
		ErrClientIDHeader, ErrOperationParameter, ErrChannelParameter, ErrBadRequest, ErrBody, ErrBodyTooLarge, ErrHeaderTooLarge,
		ErrNotFound, ErrMethod, ErrTimeout, ErrMisdirected, ErrOrigin, ErrAdminToken, ErrExpectation, ErrVersion, ErrRefusals, ErrRevokeOtherKey, ErrNotRevocable, ErrIssuedBefore, ErrRevocationTarget, ErrChannelRevocation, ErrBatch, ErrRevocationRate, ErrConfiguration, ErrSealSecretMissing, ErrInternal, ErrUnavailable, ErrOverloaded,
	}
}

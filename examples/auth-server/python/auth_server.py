"""Hands Ably tokens to the users of an application. What it answers and why stands
in ../README.md."""

import base64
import hashlib
import hmac
import http.cookies
import http.server
import json
import os
import secrets
import sys
import time
import urllib.parse
import urllib.request

KEY_NAME, _, KEY_SECRET = os.environ.get("ABLY_API_KEY", "").partition(":")
PORTCULLIS_URL = os.environ.get("PORTCULLIS_URL", "")
PASSWORD = os.environ.get("DEMO_PASSWORD", "")  # of every user of this example
SESSION_SECRET = secrets.token_bytes(32)  # so sessions end with the process
SESSION_SECONDS = int(os.environ.get("SESSION_SECONDS") or 8 * 3600)
TOKEN_SECONDS = 3600
MAX_BODY_BYTES = 64 << 10

# What each user may do, looked up by the user that the session names, never by
# anything that the request says. The texts are canonical: sorted, no white space.
CAPABILITIES = {
    "ana": '{"chat:*":["publish","subscribe"],"inbox:ana":["subscribe"]}',
    "ben": '{"chat:*":["subscribe"]}',
}


def session_mac(claim):
    return hmac.new(SESSION_SECRET, claim.encode(), hashlib.sha256).hexdigest()


def signed(text):
    return hmac.digest(KEY_SECRET.encode(), text.encode(), "sha256")


def token_request(user):
    fields = {
        "keyName": KEY_NAME, "ttl": TOKEN_SECONDS * 1000, "capability": CAPABILITIES[user], "clientId": user,
        "timestamp": time.time_ns() // 1_000_000, "nonce": secrets.token_hex(16),
    }
    text = "".join(f"{value}\n" for value in fields.values())  # in this order, a line feed after each
    return {**fields, "mac": base64.b64encode(signed(text)).decode()}


def token_details(user):
    """Has a TokenRequest redeemed here, so that the client need not."""
    url = f"{PORTCULLIS_URL}/keys/{KEY_NAME}/requestToken"
    body = json.dumps(token_request(user)).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def jwt(user):
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    now = int(time.time())
    header = {"typ": "JWT", "alg": "HS256", "kid": KEY_NAME}
    claims = {"iat": now, "exp": now + TOKEN_SECONDS, "x-ably-capability": CAPABILITIES[user], "x-ably-clientId": user}
    text = part(json.dumps(header).encode()) + "." + part(json.dumps(claims).encode())
    return text + "." + part(signed(text))


ANSWERS = {
    "/auth/token-request": ("application/json", lambda user: json.dumps(token_request(user))),
    "/auth/token-details": ("application/json", lambda user: json.dumps(token_details(user))),
    "/auth/token": ("text/plain", lambda user: token_details(user)["token"]),
    "/auth/jwt": ("application/jwt", jwt),
}


class Handler(http.server.BaseHTTPRequestHandler):
    timeout = 5  # seconds, for every read

    def do_GET(self):
        self.answer()

    def do_POST(self):
        size = self.headers.get("Content-Length", "0")
        if not size.isascii() or not size.isdigit() or int(size) > MAX_BODY_BYTES:
            return self.refuse(413, 40009, "request body too large")
        body = self.rfile.read(int(size)).decode("utf-8", "replace")
        if self.path.partition("?")[0] == "/login":
            return self.login(urllib.parse.parse_qs(body))
        self.answer()

    def login(self, form):
        """Opens a session. Put the application's own way of telling users here."""
        user, password = form.get("user", [""])[0], form.get("password", [""])[0]
        right = hmac.compare_digest(password.encode(), PASSWORD.encode())
        if not right or user not in CAPABILITIES:
            return self.refuse(401, 40100, "wrong user or password")
        claim = f"{user}.{int(time.time()) + SESSION_SECONDS}"
        cookie = f"session={claim}.{session_mac(claim)}; Path=/; HttpOnly; SameSite=Strict; Max-Age={SESSION_SECONDS}"
        if self.server.origin.startswith("https:"):
            cookie += "; Secure"
        self.reply(204, None, "", {"Set-Cookie": cookie})

    def user(self):
        """Returns whose session the request belongs to, None if nobody's."""
        try:
            cookie = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))["session"].value
        except (KeyError, http.cookies.CookieError):
            return None
        claim, _, mac = cookie.rpartition(".")
        if not hmac.compare_digest(mac.encode(), session_mac(claim).encode()):
            return None
        user, _, expires = claim.partition(".")  # ours: the mac is right
        return user if time.time() < int(expires) else None

    def answer(self):
        """The session says who, the table what. authParams and the SDK's tokenParams
        are what the client wishes, not what it may have, and are not read."""
        content_type, make = ANSWERS.get(self.path.partition("?")[0], (None, None))
        if make is None:
            return self.refuse(404, 40400, "not found")
        if self.headers.get("Origin", self.server.origin) != self.server.origin:
            return self.refuse(403, 40300, "this page may not have tokens")
        user = self.user()
        if user is None:
            return self.refuse(401, 40100, "log in first")
        try:
            text = make(user)
        except (OSError, ValueError, KeyError) as error:
            print("no token:", type(error).__name__, getattr(error, "code", ""), file=sys.stderr, flush=True)
            return self.refuse(502, 50000, "no token at present")
        self.reply(200, content_type, text)

    def refuse(self, status, code, message):
        """Answers in Ably's form, which SDKs read when the type is exactly this."""
        error = {"code": code, "statusCode": status, "message": message}
        self.reply(status, "application/json", json.dumps({"error": error}))

    def reply(self, status, content_type, text, headers={}):
        body = text.encode()
        self.send_response(status)
        if content_type:
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Nothing: a request's target may hold what is nobody's business."""


def main():
    if not (KEY_NAME and KEY_SECRET and PORTCULLIS_URL and PASSWORD):
        sys.exit("ABLY_API_KEY, PORTCULLIS_URL and DEMO_PASSWORD must be set")
    host, _, port = os.environ.get("LISTEN", "127.0.0.1:9100").rpartition(":")
    server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
    address = f"http://{host}:{server.server_port}"
    server.origin = os.environ.get("APP_ORIGIN") or address  # of the application's own pages
    print("listening on", address, file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

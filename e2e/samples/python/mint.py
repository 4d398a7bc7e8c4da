"""Mints an Ably JWT with PyJWT: jwt.encode with kid among the headers.

MINT_SECRET=... mint.py KEY_NAME CLIENT_ID CAPABILITY IAT EXP
"""

import os
import sys

import jwt

key_name, client_id, capability, issued, expires = sys.argv[1:]
claims = {
    "iat": int(issued),
    "exp": int(expires),
    "x-ably-capability": capability,
    "x-ably-clientId": client_id,
}
print(jwt.encode(claims, os.environ["MINT_SECRET"], algorithm="HS256", headers={"kid": key_name}))

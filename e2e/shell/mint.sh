#!/bin/sh
# Mints a JWT with openssl and base64 alone.
#   MINT_SECRET=... mint.sh ALG KID < claims.json
# openssl dgst takes the HMAC key as an argument, where other users of the host
# can read it: use this with test secrets only.
set -eu
alg=$1 kid=$2

base64url() { base64 | tr -d '\n=' | tr '+/' '-_'; }

header=$(printf '{"alg":"%s","typ":"JWT","kid":"%s"}' "$alg" "$kid" | base64url)
claims=$(base64url)
signature=
case $alg in
HS256 | HS384 | HS512)
    signature=$(printf '%s.%s' "$header" "$claims" |
        openssl dgst "-sha${alg#HS}" -hmac "$MINT_SECRET" -binary | base64url)
    ;;
none) ;;
*)
    echo "mint.sh: unknown alg $alg" >&2
    exit 2
    ;;
esac
printf '%s.%s.%s\n' "$header" "$claims" "$signature"

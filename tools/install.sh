#!/usr/bin/env bash
# Installs what the tests need beside Go, where it is missing: Node.js with npm,
# openssl, strace, which stands for bad disks, and what runs the samples in Python, Java and PHP. Then the JavaScript
# packages of the end-to-end tests.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v node >/dev/null && command -v npm >/dev/null || missing+=(nodejs npm)
command -v openssl >/dev/null || missing+=(openssl)
[ "$(uname)" != Linux ] || command -v strace >/dev/null || missing+=(strace)
/usr/bin/python3 -c 'import jwt' 2>/dev/null || missing+=(python3 python3-jwt)
command -v java >/dev/null && command -v javac >/dev/null || missing+=(default-jdk-headless)
command -v php >/dev/null || missing+=(php-cli)
if [ ${#missing[@]} -gt 0 ]; then
	if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
		echo "the tests need: ${missing[*]} (install them, or run as root on Debian)" >&2
		exit 1
	fi
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

stamp=e2e/js/node_modules/.installed
if [ ! -e "$stamp" ] || [ e2e/js/package-lock.json -nt "$stamp" ]; then
	(cd e2e/js && npm ci --no-audit --no-fund --ignore-scripts)
	touch "$stamp"
fi

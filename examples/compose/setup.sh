#!/bin/sh
# Makes the secrets of this example, once:  ./setup.sh [FILE]    (default: .env beside compose.yaml)
set -eu
file=${1:-$(cd "$(dirname "$0")" && pwd)/.env}
[ ! -e "$file" ] || { echo "$file is there already; remove it for new secrets" >&2; exit 1; }
secret() { head -c 32 /dev/urandom | base64 | tr -d '\n'; }
umask 077
cat >"$file" <<ENV
# Read by docker compose. Keep it out of version control.
LIVEKIT_URL=ws://localhost:7880
LIVEKIT_KEYS="API$(head -c 6 /dev/urandom | od -An -tx1 | tr -d ' \n'): $(secret)"
APP_SECRET=$(secret)
# The development server's own; your project's key from the dashboard, and https://api.liveblocks.io, for the cloud.
LIVEBLOCKS_SECRET_KEY=sk_localdev
LIVEBLOCKS_BASE_URL=http://liveblocks:1153
ENV
echo "wrote $file"

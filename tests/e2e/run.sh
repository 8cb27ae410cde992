#!/usr/bin/env bash
# Roomkey end to end: the built binary, the real livekit-server, real participants, official SDKs. From any folder:
#   tests/e2e/run.sh [SUITE]...      all suites without a name: dev clients verify sidecar sql compose backends browser grants tokens,
#                                    and those of liveblocks.sh
# Needs Node >= 20, Go, Python 3 with venv, curl, and cargo unless ROOMKEY_BIN names a binary. Installs the rest by itself: npm
# packages beside each package.json, livekit-server (built once into ~/.cache), a Python environment in target/e2e.
# Prints a line per suite, and what failed (with -v every check; all of it is kept in target/e2e/log), and in the end how many checks passed.
# Env: ROOMKEY_BIN   take this binary and build none
#      E2E_TIMEOUT   milliseconds for one suite (default 300000)      LK_WINDOW  see livekit/README.md
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$root/target/e2e
examples=$root/examples/backends
keys=$'devkey: secret\ne2ekey: e2e-only-secret-of-more-than-32-characters' # the second is support.mjs's E2E
port=7880                                                                # what `roomkey dev` points at
exec </dev/null

verbose=
[ "${1:-}" = -v ] && { verbose=1; shift; }
suites=("$@")
everything=
[ ${#suites[@]} -gt 0 ] || everything=1
[ ${#suites[@]} -gt 0 ] || suites=(dev clients verify sidecar sql compose backends browser grants tokens)
for suite in "${suites[@]}"; do
  [ -f "$here/$suite.mjs" ] || { echo "no such suite: $suite" >&2; exit 64; }
done

for tool in node npm go python3 curl ps; do
  command -v "$tool" >/dev/null || { echo "tests/e2e/run.sh needs $tool" >&2; exit 1; }
done
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || { echo "tests/e2e/run.sh needs Node 20 or newer, not $(node --version)" >&2; exit 1; }
mkdir -p "$work/log"

# ---- what the suites need

step() { # step NAME COMMAND…: quiet unless it fails. Within the `if`, `set -e` does not hold: commands are joined with &&
  local name=$1 from=$SECONDS; shift
  if ! "$@" >"$work/log/$name.log" 2>&1; then echo "$name failed:" >&2; tail -n 40 "$work/log/$name.log" >&2; exit 1; fi
  echo "$name: $((SECONDS - from)) s"
}
same() { cmp -s "$1" "$2"; }
npm_packages() { # npm_packages FOLDER
  same "$1/package-lock.json" "$1/node_modules/.installed" && return
  (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund) && cp "$1/package-lock.json" "$1/node_modules/.installed"
}
python_packages() {
  cat "$here/requirements.txt" "$examples/fastapi/requirements.txt" >"$work/requirements.txt"
  same "$work/requirements.txt" "$work/venv/installed" && "$work/venv/bin/python" -c 'import livekit.api, fastapi' && return
  rm -rf "$work/venv"
  python3 -m venv "$work/venv" &&
    "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$work/requirements.txt" &&
    cp "$work/requirements.txt" "$work/venv/installed"
}
plain_backend() { (cd "$examples/plain" && CGO_ENABLED=0 go build -o "$work/plain-backend" .); }
build() { cd "$root" && cargo build --release --locked; }

step npm-packages npm_packages "$here/livekit"
step python-packages python_packages
step express-backend npm_packages "$examples/express"
step plain-backend plain_backend
step livekit-server "$here/livekit/server.sh" install
if [ -z "${ROOMKEY_BIN:-}" ]; then
  step build build
  ROOMKEY_BIN=${CARGO_TARGET_DIR:-$root/target}/release/roomkey
fi
case $ROOMKEY_BIN in /*) ;; *) ROOMKEY_BIN=$PWD/$ROOMKEY_BIN ;; esac
[ -x "$ROOMKEY_BIN" ] || { echo "ROOMKEY_BIN: no such program: $ROOMKEY_BIN" >&2; exit 1; }

# ---- the server, stopped whatever happens

export ROOMKEY_BIN E2E_PYTHON=$work/venv/bin/python E2E_PLAIN_BACKEND=$work/plain-backend LK_RUN=$work/livekit LIVEKIT_URL=ws://127.0.0.1:$port
unset LIVEKIT_API_KEY LIVEKIT_API_SECRET LIVEKIT_KEYS ROOMKEY_CONFIG
current=
stop_all() {
  [ -z "$current" ] || { kill "$current" && wait "$current"; } 2>/dev/null || true
  LK_PORT=$port "$here/livekit/server.sh" stop >/dev/null 2>&1 || true
}
trap stop_all EXIT
trap 'exit 130' INT TERM HUP
LK_PORT=$port "$here/livekit/server.sh" stop >/dev/null 2>&1 || true # one that a killed run left behind
LK_PORT=$port LK_KEYS=$keys "$here/livekit/server.sh" start || { echo "the suites need a livekit-server of their own on port $port: stop the other one" >&2; exit 1; }

# a token that is over by the time `tokens` asks the server about it
expired() { LIVEKIT_API_KEY=e2ekey LIVEKIT_API_SECRET=${keys##*: } "$ROOMKEY_BIN" mint livekit --identity alice --room expired --role viewer --ttl 1s; }
case " ${suites[*]} " in *" tokens "*) ROOMKEY_EXPIRED_TOKEN=$(cd "$work" && expired); export ROOMKEY_EXPIRED_TOKEN ;; esac

# ---- the suites

passed=0 failed=0
for suite in "${suites[@]}"; do
  log=$work/log/$suite.log from=$SECONDS
  node "$here/$suite.mjs" >"$log" 2>&1 &
  current=$!
  code=0; wait "$current" || code=$?
  current=
  closing=$(grep -E "^$suite: [0-9]+ passed, [0-9]+ failed" "$log" | tail -n 1) || true
  if [ -z "$closing" ]; then
    closing="$suite: ended with $code and did not say how many passed"; failed=$((failed + 1))
  else
    read -r _ p _ f _ <<<"$closing"
    passed=$((passed + p)); failed=$((failed + f))
    [ "$code" -eq 0 ] || [ "$f" -gt 0 ] || { closing="$closing, but it ended with $code"; failed=$((failed + 1)); }
  fi
  if [ -n "$verbose" ]; then grep -vxF "$closing" "$log" || true; else grep -vxF "$closing" "$log" | grep -v "^ok " || true; fi
  echo "$closing"
  echo "  ($((SECONDS - from)) s)"
done
if [ -n "$everything" ]; then
  closing=$("$here/liveblocks.sh" ${verbose:+-v} | tee >(cat >&2) | tail -n 1) || true
  if read -r p _ f _ <<<"$closing" && [[ $p =~ ^[0-9]+$ && $f =~ ^[0-9]+$ ]]; then
    passed=$((passed + p)); failed=$((failed + f))
  else
    echo "liveblocks.sh did not say how many passed"; failed=$((failed + 1))
  fi
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

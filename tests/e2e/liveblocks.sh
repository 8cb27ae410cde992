#!/usr/bin/env bash
# Roomkey and Liveblocks end to end: the built binary, the real Liveblocks dev server, the real @liveblocks/client, and an app
# that embeds @liveblocks/server. From any folder:
#   tests/e2e/liveblocks.sh [-v]
# Needs Node >= 20, npm, curl, and cargo unless ROOMKEY_BIN names a binary. npm packages go beside liveblocks/package.json.
# Prints what failed (with -v every check; all of it is kept in target/e2e/log), a line per suite, and in the end how many checks passed.
# Env: ROOMKEY_BIN   take this binary and build none
#      E2E_TIMEOUT   milliseconds for one suite (default 180000)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$root/target/e2e
packages=$here/liveblocks
exec </dev/null
verbose=
[ "${1:-}" = -v ] && verbose=1

for tool in node npm curl; do
  command -v "$tool" >/dev/null || { echo "tests/e2e/liveblocks.sh needs $tool" >&2; exit 1; }
done
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || { echo "tests/e2e/liveblocks.sh needs Node 20 or newer, not $(node --version)" >&2; exit 1; }
mkdir -p "$work/log"

step() { # step NAME COMMAND…: quiet unless it fails. Within the `if`, `set -e` does not hold: commands are joined with &&
  local name=$1 from=$SECONDS; shift
  if ! "$@" >"$work/log/$name.log" 2>&1; then echo "$name failed:" >&2; tail -n 40 "$work/log/$name.log" >&2; exit 1; fi
  echo "$name: $((SECONDS - from)) s"
}
npm_packages() {
  cmp -s "$packages/package-lock.json" "$packages/node_modules/.installed" && return
  (cd "$packages" && npm ci --ignore-scripts --no-audit --no-fund) && cp "$packages/package-lock.json" "$packages/node_modules/.installed"
}
build() { cd "$root" && cargo build --release --locked; }

step liveblocks-npm-packages npm_packages
if [ -z "${ROOMKEY_BIN:-}" ]; then
  step build build
  ROOMKEY_BIN=${CARGO_TARGET_DIR:-$root/target}/release/roomkey
fi
case $ROOMKEY_BIN in /*) ;; *) ROOMKEY_BIN=$PWD/$ROOMKEY_BIN ;; esac
[ -x "$ROOMKEY_BIN" ] || { echo "ROOMKEY_BIN: no such program: $ROOMKEY_BIN" >&2; exit 1; }

# the dev server where `roomkey dev` looks for it, stopped whatever happens; one that is there already does as well, and stays
export ROOMKEY_BIN LB_HOST=127.0.0.1 LB_PORT=1153 LB_RUN=$work/liveblocks
export LIVEBLOCKS_BASE_URL=http://$LB_HOST:$LB_PORT
current=
stop_all() {
  [ -n "$current" ] && kill "$current" 2>/dev/null && wait "$current" 2>/dev/null
  "$packages/dev-server.sh" stop >/dev/null 2>&1 || true
}
trap stop_all EXIT
trap 'exit 130' INT TERM HUP
"$packages/dev-server.sh" stop >/dev/null 2>&1 || true # one that a killed run left behind
if [ "$(curl -s "$LIVEBLOCKS_BASE_URL/health" || true)" = '{"status":"ok"}' ]; then
  echo "liveblocks-dev-server: one is there already"
else
  step liveblocks-dev-server "$packages/dev-server.sh" start
fi

passed=0 failed=0
for suite in liveblocks liveblocks-local; do
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
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

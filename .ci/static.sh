#!/usr/bin/env bash
# The static binary as the image has it: alone in an empty root, as nobody in particular.   .ci/static.sh BINARY
set -euo pipefail
binary=$1
work=$(mktemp -d)
root=$work/root pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
passed=0 failed=0
check() { # check NAME COMMAND…
  local name=$1; shift
  if "$@" >"$work/out" 2>&1; then passed=$((passed + 1)); echo "ok   - $name"
  else failed=$((failed + 1)); echo "FAIL - $name:"; sed 's/^/       /' "$work/out" | tail -n 20; fi
}

mkdir -p "$root/etc"
cp "$binary" "$root/roomkey"
cp /etc/hosts /etc/resolv.conf "$root/etc/"
chmod -R a+rX "$work"
if [ "$(id -u)" -eq 0 ]; then
  alone=(chroot --userspec=65532:65532 "$root" /roomkey)
else
  echo "skip - not root: the binary runs in this root, not in an empty one"
  alone=(env -C "$root" ./roomkey)
fi
exits() { local want=$1 got=0; shift; "$@" || got=$?; [ "$got" -eq "$want" ] || { echo "exit $got, not $want"; return 1; }; }
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
secret=$(head -c 32 /dev/urandom | base64)
# nothing of this machine's environment gets in
while read -r name; do case $name in LIVEKIT_* | LIVEBLOCKS_* | ROOMKEY_* | PORT) unset "$name" ;; esac; done < <(compgen -e)
livekit_secret=$(head -c 32 /dev/urandom | base64)
export PORT=$port LIVEKIT_URL=ws://localhost:7880 LIVEKIT_KEYS="statickey: $livekit_secret"
export ROOMKEY__ADMIN__LISTEN=127.0.0.1:0 ROOMKEY_JWT_SECRET=$secret ROOMKEY_RULES='org:{org}:** participant'

not_dynamic() { ! ldd "$binary" 2>&1 | grep '=>'; }
check "it needs no shared library" not_dynamic
check "it is under 12 MB" test "$(wc -c <"$binary")" -lt 12000000
check "--help" "${alone[@]}" --help
check "--version" "${alone[@]}" --version
LIVEKIT_KEYS='devkey: secret' check "a bad configuration exits 1" exits 1 "${alone[@]}" serve
check "an unknown command exits 2" exits 2 "${alone[@]}" no-such-command
check "healthcheck exits 1 where nothing listens" exits 1 "${alone[@]}" healthcheck

"${alone[@]}" serve >"$work/serve.log" 2>&1 &
pid=$!
healthy() {
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || { cat "$work/serve.log"; return 1; }
    "${alone[@]}" healthcheck >/dev/null 2>&1 && return
    sleep 0.1
  done
  cat "$work/serve.log"; return 1
}
check "serve, with the environment alone, and healthcheck exits 0" healthy
says() { # says STATUS CURL-ARGUMENT…
  local want=$1 got; shift
  got=$(curl -s -o /dev/null -w '%{http_code}' -X POST -H 'Content-Type: application/json' -d '{"room_name":"org:acme:standup"}' "$@" "http://127.0.0.1:$port/livekit/token")
  [ "$got" = "$want" ] || { echo "status $got, not $want"; cat "$work/serve.log"; return 1; }
}
jwt=$(SECRET=$secret python3 - <<'PY'
import base64, hashlib, hmac, json, os, time
part = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
now = int(time.time())
claims = {"sub": "alice", "org": "acme", "iat": now, "exp": now + 60}
body = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
print((body + b"." + part(hmac.new(os.environ["SECRET"].encode(), body, hashlib.sha256).digest())).decode())
PY
)
check "alice gets a token" says 201 -H "Authorization: Bearer $jwt"
check "nobody gets none" says 401
kill -TERM "$pid"
ends() { local code=0; wait "$pid" || code=$?; pid=; [ "$code" -eq 0 ] || { echo "exit $code"; cat "$work/serve.log"; return 1; }; }
check "it ends with 0 when told to" ends
echo "static: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

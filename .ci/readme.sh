#!/usr/bin/env bash
# Runs README.md's own ```sh blocks, in their order, as pasted:  bash .ci/readme.sh ROOMKEY_BINARY
# Stands in: `cargo run --release --` is that binary, `cargo test` ran already, and a folder holds what the configuration
# names. What serves for ever passes if it still serves after a few seconds.
set -euo pipefail
binary=$(readlink -f "$1")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir bin config
printf '#!/bin/sh\nexec "%s" "$@"\n' "$binary" >bin/roomkey
chmod +x bin/roomkey
printf '#!/bin/sh\ncase "$1" in test) ;; run) shift 3; exec "%s" "$@" ;; esac\n' "$binary" >bin/cargo
chmod +x bin/cargo

python3 - "$root/README.md" <<'PY'
import re, sys
text = open(sys.argv[1]).read()
for number, block in enumerate(re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)):
    open(f"block-{number:02}.sh", "w").write("set -m\n" + block)
open("config/roomkey.toml", "w").write(re.search(r"^```toml\n(.*?)^```", text, re.M | re.S)[1])
PY
cp "$root/tests/keys/ec-p256.pub.pem" config/app.pem
bin/roomkey keygen backend 2>config/keys.toml >/dev/null

passed=0 failed=0
for block in block-*.sh; do
  code=0
  # A sidecar has no file.
  if grep -q LIVEKIT_KEYS= "$block"; then rm -r config; fi
  PATH="$work/bin:$PATH" LIVEKIT_SECRET=readme-0123456789-0123456789-0123456789 LIVEBLOCKS_SECRET=sk_readme_0123456789 \
    timeout 5 bash "$block" >"$block.out" 2>"$block.err" || code=$?
  pkill -f "^$binary (dev|serve)" || true
  serves=$(grep -cE '^roomkey serve|roomkey serve$|-- dev$' "$block" || true)
  if [ $code -eq 0 ] || { [ $code -eq 124 ] && [ "$serves" -gt 0 ]; }; then
    passed=$((passed + 1)); echo "ok   - $(sed -n 2p "$block")"
  else
    failed=$((failed + 1)); echo "FAIL - exit $code:"; cat "$block" "$block.out" "$block.err"
  fi
done
grep -q '"participant_token"' block-*.out || { failed=$((failed + 1)); echo "FAIL - no block got a token"; }
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -ge 5 ]

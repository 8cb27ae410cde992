#!/usr/bin/env bash
# A throwaway PostgreSQL and a PgBouncer before it, for the tests that need the real ones:
#   eval "$(bash tests/postgres.sh start)"; cargo test --test plugins postgres; bash tests/postgres.sh stop
# `start` prints the variables that the tests read: two URLs on loopback, and where both live. `stop` ends them, by that
# variable, and leaves nothing. PgBouncer pools transactions and has two connections to the database.
# Needs Debian's packages postgresql and pgbouncer, or theirs on PATH; as root it runs them as the user postgres.
set -euo pipefail
user=roomkey password=CANARY-postgres-password

as() { # a server refuses to be root
  if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; else "$@"; fi
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start() {
  local bin folder port pooler tries
  bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1 || true)")
  [ -x "$bin/initdb" ] || bin=$(dirname "$(command -v initdb || echo /missing/initdb)")
  [ -x "$bin/initdb" ] || { echo "no PostgreSQL: install postgresql" >&2; return 1; }
  PATH=$PATH:/usr/sbin command -v pgbouncer >/dev/null || { echo "no PgBouncer: install pgbouncer" >&2; return 1; }
  folder=$(mktemp -d) port=$(free_port)
  # what is half started ends too
  trap 'ROOMKEY_TEST_POSTGRES_FOLDER='"$folder"' stop' EXIT
  [ "$(id -u)" -ne 0 ] || chown postgres: "$folder"
  cd "$folder"
  as ln -s "$bin" bin
  printf '%s' "$password" | as tee password >/dev/null
  as "$bin/initdb" -D data -U "$user" --pwfile=password -A scram-sha-256 -E UTF8 --locale=C.UTF-8 >log 2>&1 || { cat log >&2; return 1; }
  # a certificate of a CA of its own, for `sslmode=require`
  as openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=Roomkey's test CA" -keyout ca.key -out ca.pem >>log 2>&1
  as openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" -keyout data/server.key -out server.csr >>log 2>&1
  printf 'subjectAltName = DNS:localhost, IP:127.0.0.1\nbasicConstraints = critical, CA:false\nextendedKeyUsage = serverAuth\n' | as tee server.ext >/dev/null
  as openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -days 2 -extfile server.ext -out data/server.crt >>log 2>&1
  as chmod 600 data/server.key
  as tee -a data/postgresql.conf >/dev/null <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
ssl = on
fsync = off
max_connections = 40
CONF
  as "$bin/pg_ctl" -D "$folder/data" -l "$folder/server.log" -w start >/dev/null || { cat server.log >&2; return 1; }
  pooler=$(free_port)
  printf '"%s" "%s"\n' "$user" "$password" | as tee users >/dev/null
  as tee pgbouncer.ini >/dev/null <<CONF
[databases]
* = host=127.0.0.1 port=$port
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $pooler
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $folder/users
pool_mode = transaction
max_client_conn = 100
default_pool_size = 2
server_login_retry = 1
logfile = $folder/pgbouncer.log
pidfile = $folder/pgbouncer.pid
CONF
  PATH=$PATH:/usr/sbin as pgbouncer -q -d pgbouncer.ini >>log 2>&1 || { cat log pgbouncer.log >&2; return 1; }
  tries=0
  until PGPASSWORD=$password timeout 2 "$bin/psql" -qAt -h 127.0.0.1 -p "$pooler" -U "$user" postgres -c 'select 1' >>log 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || { echo "PgBouncer does not answer" >&2; cat log pgbouncer.log >&2; return 1; }
    sleep 0.2
  done
  trap - EXIT
  cat <<VARIABLES
export ROOMKEY_TEST_POSTGRES='postgres://$user:$password@127.0.0.1:$port/postgres?sslmode=disable'
export ROOMKEY_TEST_PGBOUNCER='postgres://$user:$password@127.0.0.1:$pooler/postgres?sslmode=disable'
export ROOMKEY_TEST_POSTGRES_FOLDER='$folder'
VARIABLES
}

stop() {
  local folder=${ROOMKEY_TEST_POSTGRES_FOLDER:?is set by what start prints}
  cd /
  [ ! -f "$folder/pgbouncer.pid" ] || kill "$(cat "$folder/pgbouncer.pid")" 2>/dev/null || true
  [ ! -f "$folder/data/postmaster.pid" ] || as "$folder/bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null || true
  rm -rf "$folder"
}

case ${1:-} in start | stop) "$1" ;; *) echo "tests/postgres.sh start | stop" >&2; exit 64 ;; esac

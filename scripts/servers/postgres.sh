#!/usr/bin/env bash
# A private PostgreSQL cluster. The verbs are those of lib.sh.
#   DURABLE=1   keep fsync on; the default gives up durability across a power loss for speed (after a crash of the
#               server alone it recovers all the same: the operating system keeps its writes)
# Called by root it runs as the user `postgres`, as initdb demands: DIR's parents must be open to that user.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

find_programs() { # print the folder of initdb, postgres, pg_ctl; Debian does not put it on PATH
  local folder
  folder=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  if [ -x "$folder/initdb" ]; then printf '%s\n' "$folder"; return 0; fi
  folder=$(type -P pg_ctl) || return 1
  folder=$(dirname "$(readlink -f "$folder")")
  [ -x "$folder/initdb" ] && printf '%s\n' "$folder"
}

verb=${1:-}
case $verb in
packages)
  # pg_trgm, unaccent and the other contributed extensions are in the server's own package.
  printf '%s\n' postgresql postgresql-postgis
  exit ;;
available)
  find_programs >/dev/null || die "no PostgreSQL server programs (initdb, pg_ctl) are installed"
  exit ;;
esac

dir=${2:-}
[ -n "$verb" ] && [ -n "$dir" ] || die "usage: postgres.sh packages | available | start DIR PORT | stop|kill|wipe DIR"
programs=$(find_programs) || die "no PostgreSQL server programs (initdb, pg_ctl) are installed"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
data=$dir/data

pg() { as_user postgres env -i PATH="$programs:/usr/bin:/bin" LC_ALL=C.UTF-8 HOME="$dir" "$@"; }
running() { file_pid_alive "$data/postmaster.pid"; }
reaped() { ! kill -0 "$1"; }

create() {
  # --locale=C.UTF-8 sorts the same everywhere, but makes text search default to `simple`.
  pg initdb -D "$data" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log" 2>&1 ||
    { cat "$dir/initdb.log" >&2; die "initdb failed"; }
  pg tee -a "$data/postgresql.conf" >/dev/null <<'CONF'
listen_addresses = '127.0.0.1'
unix_socket_directories = ''            # TCP only: no limit on the length of a socket's path
default_text_search_config = 'pg_catalog.english'
timezone = 'UTC'
wal_level = logical                     # for tests of logical decoding
max_wal_senders = 10
max_replication_slots = 10
max_connections = 200                   # test processes times the size of a pool
max_prepared_transactions = 10          # for tests of two-phase commit
CONF
  # synchronous_commit stays on: off, logical decoding lags behind the commit that it should show.
  if [ "${DURABLE:-0}" != 1 ]; then printf 'fsync = off\nfull_page_writes = off\n' | pg tee -a "$data/postgresql.conf" >/dev/null; fi
}

case $verb in
start)
  port=${3:-}
  [ -n "$port" ] || die "start needs a port"
  if [ "$(id -u)" = 0 ]; then
    id postgres >/dev/null 2>&1 || die "called by root, but there is no user postgres to run the server"
    chown postgres: "$dir"
    as_user postgres test -w "$dir" || die "the user postgres cannot reach $dir: choose a folder whose parents are open to all"
  fi
  [ -s "$data/PG_VERSION" ] || create
  if ! running; then
    # After `kill -9` PostgreSQL refuses to start for as long as its old process is a zombie.
    if [ -s "$data/postmaster.pid" ]; then wait_for 20 reaped "$(head -n 1 "$data/postmaster.pid")" || true; fi
    pg pg_ctl -D "$data" -l "$dir/server.log" -w -t 60 -o "-p $port" start >/dev/null ||
      { tail -n 20 "$dir/server.log" >&2; die "PostgreSQL did not start"; }
  fi
  printf 'postgresql://postgres@127.0.0.1:%s/postgres\n' "$(sed -n 4p "$data/postmaster.pid")" ;;
stop) ! running || pg pg_ctl -D "$data" -m fast -w stop >/dev/null ;;
kill) ! running || pg pg_ctl -D "$data" -m immediate -w stop >/dev/null ;;
wipe)
  "$0" stop "$dir"
  rm -rf "$dir" ;;
*) die "unknown verb $verb" ;;
esac

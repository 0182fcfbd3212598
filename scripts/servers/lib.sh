# shellcheck shell=bash
# What the server scripts of this folder share: source it, do not run it.
#
# Every script NAME.sh answers to the same verbs:
#   packages          the Debian packages it needs, one a line (nothing when it comes with the Python environment)
#   available         succeeds when the programs are there, else fails and says what is missing
#   start DIR PORT    start on 127.0.0.1 with all files in DIR, wait until it answers, print its address;
#                     prints the address only, when it runs already
#   stop DIR          stop in order; the data stays
#   kill DIR          stop as a crash would; the data stays
#   wipe DIR          stop and remove DIR
# A server is stopped by the process id that it wrote into DIR, never by name.

set -euo pipefail

# Where Debian keeps runuser and servers; not everybody has it on PATH.
PATH=$PATH:/usr/sbin:/sbin

die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# A killed process can stay a zombie until its parent reaps it, and `kill -0` still succeeds on a zombie.
pid_alive() { # PID
  local state
  kill -0 "$1" 2>/dev/null || return 1
  state=$(ps -o stat= -p "$1" 2>/dev/null) || return 0
  [ "${state:0:1}" != Z ]
}

pid_gone() { ! pid_alive "$1"; }

file_pid_alive() { [ -s "$1" ] && pid_alive "$(head -n 1 "$1")"; } # FILE

wait_for() { # SECONDS COMMAND...: repeat COMMAND until it succeeds
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

# as_user USER COMMAND...: as USER when root calls, as the caller otherwise.
as_user() {
  local user=$1
  shift
  if [ "$(id -u)" = 0 ]; then runuser -u "$user" -- "$@"; else "$@"; fi
}

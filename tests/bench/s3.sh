#!/usr/bin/env bash
# Measures a hold on real S3 servers beside the same servers driven directly: 1 GiB pushed and pulled through presigned
# URLs, what the proof of digest adds, memory with 64 uploads in flight, and requests for URLs, these also of a hold with
# a storage directory. Prints what it ran on and one Markdown table.
# Takes about 5 minutes once all is built, and 4 GiB of disk; wants a quiet machine.
#
#   tests/bench/s3.sh [--requests] [ROUNDS [SERVER...]]        5 garage seaweedfs when not given
#
# With --requests it only asks for URLs: 20 seconds a server.
#
# ATCR_HOLD_BINARY, ATCR_BENCH_S3: the hold to measure, and what drives it; without them releases are built.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=tests/s3/servers.sh
. "$repo/tests/s3/servers.sh"

only=()
[ "${1:-}" != --requests ] || { only=(requests) && shift; }
rounds=${1:-5}
servers=("${@:2}")
[ "${#servers[@]}" -gt 0 ] || servers=(garage seaweedfs)

load() { cut -d' ' -f1-3 /proc/loadavg; }

# table COLUMN...: joins files of `label<tab>cell`; a row is where its label first stands.
table() {
  awk -F '\t' '
    FNR == 1 { columns += 1; name = FILENAME; sub(/.*\//, "", name); head = head " | " name; rule = rule "---|" }
    !($1 in known) { known[$1] = 1; labels[++rows] = $1 }
    { cell[$1, columns] = $2 }
    END {
      print "|" head " |\n|---|" rule
      for (row = 1; row <= rows; row++) {
        line = "| " labels[row]
        for (column = 1; column <= columns; column++)
          line = line " | " ((labels[row], column) in cell ? cell[labels[row], column] : "–")
        print line " |"
      }
    }' "$@"
}

need cargo cc python3
binary=${ATCR_HOLD_BINARY:-$(build_hold release)}
[ -x "$binary" ] || die "no program at '$binary'"
client=${ATCR_BENCH_S3:-}
if [ -z "$client" ]; then
  (cd "$repo" && cargo build --release --locked -p atcr-hold --example s3) >&2
  client=$(dirname "$binary")/examples/s3
fi

work=$(mktemp -d "${TMPDIR:-/var/tmp}/atcr-hold-bench.XXXXXX")
trap 'stop_s3; rm -rf "$work"' EXIT
mkdir "$work/columns"
before=$(load)
# measure COLUMN SERVER...: what the program is told of a server is a line of the list.
measure() {
  "$client" "$binary" "$work" "$rounds" "${@:2}" "${only[@]}" >"$work/columns/$1"
}
# One server at a time: the other one would take processor time.
for server in "${servers[@]}"; do
  start_s3 "$server"
  read -ra words <"$s3_list"
  measure "$server" "${words[@]}"
  stop_s3
done
measure directory directory

cat <<END
Machine: $(nproc) × $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1), $(df --output=fstype "$work" | tail -n 1), Linux $(uname -r); the client on the same processors. Load before $before, after $(load).
Medians of $rounds rounds, slowest and fastest in brackets; parts of 16 MiB, 4 at once.

END
table "${servers[@]/#/$work/columns/}" "$work/columns/directory"

#!/usr/bin/env bash
# Runs Azurite, Microsoft's emulator of Azure Blob Storage, on the loopback until it is interrupted.
#   bash tests/clouds/azurite.sh
# Installs it with npm when it is missing (outside of the checkout), starts it on a free port with its data in a
# temporary directory, makes a container, and prints a line for ATCR_HOLD_AZURE: the file that says, a line an account,
# its name, endpoint, account and container, and which file has its key. The suite then needs the feature:
#   cargo test --features azure
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

version=3.35.0
home=${XDG_CACHE_HOME:-$HOME/.cache}/atcr-hold/azurite-$version
# Made for this run: the emulator's well-known key would prove less.
account=atcrholdtest
container=layers

install_azurite() {
  [ -x "$home/node_modules/.bin/azurite-blob" ] && return 0
  need node npm
  say "Installing Azurite $version with npm (kept in $home)"
  mkdir -p "$home"
  again npm install --prefix "$home" --no-audit --no-fund --loglevel=error "azurite@$version" >&2
}

# Whether it answers, whatever it answers.
answers() { node -e 'fetch(process.argv[1]).then(() => process.exit(0), () => process.exit(1))' "$1"; }

# Makes the container with a request signed by the account's key.
make_container() {
  # shellcheck disable=SC2016
  node -e '
    const [account, key, url] = process.argv.slice(1);
    const date = new Date().toUTCString(), path = new URL(url).pathname;
    const headers = `x-ms-date:${date}\nx-ms-version:2023-11-03\n`;
    const text = `PUT\n\n\n\n\n\n\n\n\n\n\n\n${headers}/${account}${path}\nrestype:container`;
    const sign = require("crypto").createHmac("sha256", Buffer.from(key, "base64")).update(text).digest("base64");
    fetch(`${url}?restype=container`, {
      method: "PUT",
      headers: { "x-ms-date": date, "x-ms-version": "2023-11-03", authorization: `SharedKey ${account}:${sign}` },
    }).then((answer) => process.exit(answer.status === 201 ? 0 : 1));
  ' "$account" "$1" "$2"
}

install_azurite
need node
work=$(mktemp -d)
pid=
stop() {
  # Until it is gone it writes into its directory.
  [ -z "$pid" ] || { kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; } || true
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 0' INT TERM

head -c 64 /dev/urandom | base64 -w 0 >"$work/key"
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
endpoint=http://127.0.0.1:$port/$account
AZURITE_ACCOUNTS="$account:$(cat "$work/key")" "$home/node_modules/.bin/azurite-blob" --silent --disableTelemetry \
  --blobHost 127.0.0.1 --blobPort "$port" --location "$work/data" >"$work/log" 2>&1 &
pid=$!
for _ in $(seq 600); do
  answers "$endpoint" && break
  kill -0 "$pid" 2>/dev/null || { cat "$work/log" >&2; die "Azurite did not start"; }
  sleep 0.1
done
make_container "$(cat "$work/key")" "$endpoint/$container" || die "Azurite has no container: $(cat "$work/log")"
printf '%s\n' "azurite $endpoint $account $container $work/key" >"$work/accounts"
cat "$work/accounts" >&2
printf 'export ATCR_HOLD_AZURE=%q\n' "$work/accounts"
wait "$pid"

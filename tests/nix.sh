#!/usr/bin/env bash
# Checks the flake and the NixOS module without NixOS: everything is evaluated, nothing is built.
#
#   bash tests/nix.sh                check
#   bash tests/nix.sh --evaluate     the same without what needs cargo: half a minute
#   bash tests/nix.sh --write        bring nixos/*/options.md, nixos/units and the formatting up to date
#   bash tests/nix.sh --render DIR   write what a Debian machine needs of each NixOS test: DIR/<test>/etc/…, and
#                                    DIR/<test>/specialisation/<name>/etc/…; the program belongs at /usr/bin/atcr-hold
#
# ATCR_HOLD_NIXPKGS_LIB: the folder `lib` of nixpkgs. Without it only the small one in tests/nix/lib is used.
# ATCR_HOLD_BINARY, ATCR_APPVIEW_BINARY: the programs that judge the configurations; without them, the last debug builds.
#
# The last line is the sum: "nix: N passed, N failed". What cannot run here says so: "skipped: <what>: <why>".
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/nix/files.sh
. "$repo/tests/nix/files.sh"
cd "$repo"

tools=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/atcr-hold/tools
copy=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/atcr-hold/checked-files
real_lib=${ATCR_HOLD_NIXPKGS_LIB:-}
hold=${ATCR_HOLD_BINARY:-${CARGO_TARGET_DIR:-target}/debug/atcr-hold}
appview=${ATCR_APPVIEW_BINARY:-${CARGO_TARGET_DIR:-target}/debug/atcr-appview}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

skip() { echo "skipped: $*"; }

# check TITLE COMMAND...: counts as one; what it printed is shown when it failed.
check() {
  local title=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    passed=$((passed + 1))
    echo "ok      $title"
  else
    failed=$((failed + 1))
    echo "FAILED  $title"
    sed 's/^/        /' "$work/log" | head -40
  fi
}

# evaluate EXPRESSION: its value as JSON.
evaluate() { nix-instantiate --readonly-mode --eval --strict --json --expr "$1"; }

# configuration FILE LIBRARY: all files of a machine with this configuration.
configuration() { evaluate "import $repo/tests/nix/evaluate.nix { configuration = $repo/$1; libPath = $2; }"; }

# options_reference LIBRARY PROGRAM
options_reference() {
  evaluate "import $repo/tests/nix/reference.nix { libPath = $1; name = \"$2\"; }" |
    python3 -c 'import json, sys; print(json.load(sys.stdin), end="")'
}

render() {
  local test
  for test in nixos/tests/*.nix; do
    configuration "$test" "$small_lib" | python3 tests/nix/write.py "$1/$(basename "$test" .nix)"
  done
}

# unit NAME: as people without Nix get it.
unit() {
  configuration nixos/units/debian.nix "$small_lib" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["files"]["systemd/system/" + sys.argv[1]].rstrip())' "$1" |
    grep -v '^X-' # for nixpkgs' own switch
}

# The same value from both libraries.
same_with_real() {
  "$@" "$small_lib" >"$work/small" && "$@" "$real_lib" >"$work/real" && diff "$work/small" "$work/real"
}
reference_of_hold() { options_reference "$1" atcr-hold; }
reference_of_appview() { options_reference "$1" atcr-appview; }
flake_outputs() { evaluate "import $repo/tests/nix/flake.nix { libPath = $1; }"; }

# refused FILE LIBRARY: its first line says with which message.
refused() {
  local wanted
  wanted=$(sed -n '1s/^# Must be refused with: //p' "$1")
  [ -n "$wanted" ] || { echo "the first line must say: # Must be refused with: …"; return 1; }
  ! configuration "$1" "$2" >"$work/answer" 2>&1 || { echo "it was accepted"; return 1; }
  grep -F -- "$wanted" "$work/answer" || { cat "$work/answer"; return 1; }
}

# judged FILE BINARY PROGRAM: the program accepts the configuration that the module makes of it.
judged() {
  rm -rf "$work/judged"
  configuration "$1" "$small_lib" | python3 tests/nix/write.py "$work/judged"
  [ -e "$work/judged/etc/$3/config.toml" ] || { echo "this machine has no $3"; return 0; }
  # As at build time: secrets are not there yet.
  (cd "$work" && env -i AWS_ACCESS_KEY_ID=unknown AWS_SECRET_ACCESS_KEY=unknown AZURE_STORAGE_ACCOUNT_KEY=unknown \
    GOOGLE_APPLICATION_CREDENTIALS=<(echo unknown) "$2" check-config --config "$work/judged/etc/$3/config.toml")
}
# judged_cloud FILE DRIVER: the same; a program that was built without the driver says so.
judged_cloud() {
  judged "$1" "$hold" atcr-hold >"$work/answer" 2>&1 || grep -F "driver $2 is not compiled in" "$work/answer" ||
    { cat "$work/answer"; return 1; }
}

# writes_presigned FILE WORD: what the hold's configuration says of presigned URLs; nothing, for no word.
writes_presigned() {
  rm -rf "$work/judged"
  configuration "$1" "$small_lib" | python3 tests/nix/write.py "$work/judged"
  [ "$(grep -o 'presigned" = "[a-z]*"' "$work/judged/etc/atcr-hold/config.toml")" = "${2:+presigned\" = \"$2\"}" ] ||
    { cat "$work/judged/etc/atcr-hold/config.toml"; return 1; }
}

# schedule_checked SCHEDULE LIBRARY: the system is built with these times for copies of both databases.
schedule_checked() {
  evaluate "(import $repo/tests/nix/evaluate.nix { libPath = $2; configuration = {
    imports = [ $repo/tests/nix/examples/registry.nix ];
    services.atcr-hold.backup = { enable = true; schedule = \"$1\"; };
    services.atcr-appview.backup = { enable = true; schedule = \"$1\"; };
  }; }).checks" | out=$work/checked python3 -c '
import json, subprocess, sys
checks = json.load(sys.stdin)
print(*checks)
sys.exit(len(checks) != 2 or any(subprocess.call(["bash", "-ec", check]) for check in checks))'
}
schedule_refused() { ! schedule_checked "$@" || { echo "it was accepted"; return 1; }; }

# systemd's own measure of the sandbox, in tenths.
exposed_little() { systemd-analyze security --offline=true --threshold=11 "$1"; }

complete_reference() {
  [ "$(grep -c '^## ' "$1")" -eq "$(grep -c '^- Example: ' "$1")" ] ||
    { echo "each option needs an example"; return 1; }
}

lock_unchanged() {
  mkdir -p "$work/flake"
  cp flake.nix flake.lock "$work/flake"
  nix --offline --store "$work/store" --extra-experimental-features 'nix-command flakes' flake lock "path:$work/flake"
  diff flake.lock "$work/flake/flake.lock"
}

# In the copy, with what was built in the checkout: cargo takes it for the same sources, and builds again what named a file
# that is not in the copy, which then fails.
in_copy() { (cd "$copy" && CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$repo/target} "$@"); }

# Every file that a manifest names is in the set.
targets_copied() {
  in_copy cargo metadata --offline --locked --no-deps --format-version 1 | python3 -c '
import json, pathlib, sys
packages = json.load(sys.stdin)["packages"]
targets = [target["src_path"] for package in packages for target in package["targets"]]
missing = [path for path in targets if not pathlib.Path(path).exists()]
print(len(targets), "targets; not in the file set:", *missing)
sys.exit(bool(missing) or len(targets) < 8)'
}

# What is new in the template has an owner's key, and is refused without.
template() { evaluate "import $repo/tests/nix/template.nix { libPath = $1; withKey = $2; }"; }
template_with() { template "$1" true; }
template_as_it_comes() {
  ! template "$1" false >"$work/answer" 2>&1 || { echo "it was accepted"; return 1; }
  grep -F 'nobody could log in' "$work/answer"
}

# manual_blocks: the Nix of the manuals, each as a file of its own beside a hold, in a folder.
manual_blocks() {
  python3 - "$1" src/*/manual/*.md <<'END'
import pathlib, re, sys
folder = pathlib.Path(sys.argv[1])
folder.mkdir()
for page in map(pathlib.Path, sys.argv[2:]):
    for number, block in enumerate(re.findall(r"^```nix\n(.*?)^```$", page.read_text(), re.M | re.S), 1):
        (folder / f"{page.parent.parent.name}-{page.stem}-{number}.block.nix").write_text(block)
END
}
# An example of the manual evaluates, on a machine with a hold and what else it presumes.
example_of_manual() {
  evaluate "(import $repo/tests/nix/evaluate.nix { libPath = $2; configuration.imports = [ $1 $repo/tests/nix/examples/least.nix ]; }).files"
}

short_flake() { [ "$(wc -l <flake.nix)" -le 80 ] || { echo "flake.nix is for outputs only: at most 80 lines"; return 1; }; }

# every_test_paired: each test has its script and the other way round.
every_test_paired() {
  diff <(basename -s .nix nixos/tests/*.nix) <(basename -s .py nixos/tests/*.py)
}

# The scripts as the driver sees them: behind its verbs and what they all share.
scripts_checked() {
  local script
  for script in nixos/tests/*.py; do
    cat tests/nix/verbs.py nixos/tests/common/script.py "$script" >"$work/script_$(basename "$script")"
  done
  for script in by-hand caddy proxies; do
    {
      cat tests/nix/verbs.py nixos/tests/common/script.py
      printf '%s: list[str] = []\n' STEPS PROXIES REGISTRY_STEPS CADDYFILES
      printf 'GUIDE: dict[str, list[str]] = {}\n'
      cat "tests/appliance/$script.py"
    } >"$work/script_$script.py"
  done
  cat tests/nix/verbs.py nixos/tests/common/script.py nixos/tests/common/pds.py >"$work/script_pds.py"
  "$tools/python/bin/mypy" --strict --disable-error-code empty-body --cache-dir "$tools/mypy" "$work"/script_*.py &&
    "$tools/python/bin/pyflakes" "$work"/script_*.py tests/nix/write.py tests/appliance/switch.py
}

# tool CRATE VERSION COMMAND: built once, outside of the checkout.
tool() {
  [ -x "$tools/bin/$3" ] && return 0
  command -v cargo >/dev/null || return 1
  say "Building $1 $2 (about a minute, once)"
  again cargo install "$1" --version "$2" --locked --root "$tools" --target-dir "$work/target" >&2
}

python_tools() {
  [ -x "$tools/python/bin/mypy" ] && [ -x "$tools/python/bin/pyflakes" ] && return 0
  install_from_pypi "$tools/python" mypy==1.18.2 pyflakes==3.4.0
}

units=(atcr-hold.service atcr-hold.socket atcr-hold-backup.service atcr-hold-backup.timer atcr-appview.service atcr-appview.socket atcr-appview-backup.service atcr-appview-backup.timer)
need nix-instantiate python3
small_lib=$repo/tests/nix/lib
mapfile -t nix_files < <(git ls-files --cached --others --exclude-standard '*.nix')

cargo=cargo
case ${1:-} in
--evaluate) cargo=no-cargo ;;
--render)
  render "${2:?--render needs a directory}"
  exit
  ;;
--write)
  tool nixfmt_rs 0.5.3 nixfmt
  "$tools/bin/nixfmt" "${nix_files[@]}"
  for program in hold appview; do options_reference "$small_lib" "atcr-$program" >"nixos/$program/options.md"; done
  for name in "${units[@]}"; do unit "$name" >"nixos/units/$name"; done
  exit
  ;;
esac

[ -z "$real_lib" ] && skip "the module under nixpkgs' own library: ATCR_HOLD_NIXPKGS_LIB names none"

for file in tests/nix/examples/*.nix nixos/tests/*.nix nixos/units/debian.nix; do
  check "$file evaluates" configuration "$file" "$small_lib"
  [ -z "$real_lib" ] || check "$file is the same under nixpkgs' library" same_with_real configuration "$file"
done
for file in tests/nix/mistakes/*.nix; do
  check "$file is refused" refused "$file" "$small_lib"
  [ -z "$real_lib" ] || check "$file is refused by nixpkgs' library" refused "$file" "$real_lib"
done

for schedule in daily "*-*-* 03:30:00" "Mon..Fri 22:00 Europe/Berlin"; do
  check "copies are made at \"$schedule\"" schedule_checked "$schedule" "$small_lib"
done
check "copies cannot be made \"dayly\"" schedule_refused dayly "$small_lib"
check "parts go through a hold beside its front end" writes_presigned tests/nix/examples/registry-bucket.nix downloads
check "a word about them is kept" writes_presigned tests/nix/examples/everything.nix all
for name in option option-of-s3; do
  check "nothing is said of them where a former $name does" writes_presigned "tests/nix/examples/registry-former-$name.nix" ""
done
check "nothing is said of them otherwise" writes_presigned tests/nix/examples/role.nix ""

if [ -x "$hold" ]; then
  hold=$(realpath "$hold")
  for file in tests/nix/examples/*.nix nixos/tests/*.nix; do
    [[ $file == */cloud-* ]] || check "the hold takes $file" judged "$file" "$hold" atcr-hold
  done
  for driver in gcs azure; do
    check "the hold takes storage.$driver, or says what it lacks" judged_cloud "tests/nix/examples/cloud-$driver.nix" "$driver"
  done
else
  skip "check-config: there is no $hold"
fi
if [ -x "$appview" ]; then
  appview=$(realpath "$appview")
  for file in tests/nix/examples/registry*.nix nixos/tests/registry*.nix; do
    check "the registry takes $file" judged "$file" "$appview" atcr-appview
  done
else
  skip "check-config: there is no $appview"
fi

for program in hold appview; do
  reference=nixos/$program/options.md
  check "$reference is up to date (else: bash tests/nix.sh --write)" \
    diff "$reference" <("reference_of_$program" "$small_lib")
  [ -z "$real_lib" ] || check "$reference is the same under nixpkgs' library" same_with_real "reference_of_$program"
  check "each option in $reference has an example" complete_reference "$reference"
done
for name in "${units[@]}"; do
  check "nixos/units/$name is up to date (else: bash tests/nix.sh --write)" diff "nixos/units/$name" <(unit "$name")
done

check "the flake's outputs evaluate" flake_outputs "$small_lib"
[ -z "$real_lib" ] || check "the flake's outputs are the same under nixpkgs' library" same_with_real flake_outputs
check "flake.lock is what Nix would write" lock_unchanged

check "the files of the flake's checks can be copied" copy_checked_files "$copy"
if command -v "$cargo" >/dev/null && cargo fetch --locked --quiet; then
  check "the manifests name nothing outside those files" targets_copied
  check "formatting with those files alone" in_copy cargo fmt --check
  # First where it shall stay: a test that was built in the copy looks for its files there.
  cargo clippy --locked --all-targets --quiet -- -D warnings || true
  check "lints with those files alone" in_copy cargo clippy --offline --locked --all-targets --quiet -- -D warnings
  cargo test --locked --no-run --quiet || true
  check "tests build with those files alone" in_copy cargo test --offline --locked --no-run --quiet
else
  skip "the files of the flake's checks: there is no cargo, or its crates cannot be fetched"
fi
check "flake.nix is short" short_flake
check "the manual's Nix can be read" manual_blocks "$work/manual"
for block in "$work"/manual/*.nix; do
  title=$(basename "$block" .block.nix)
  check "$title of the manual evaluates" example_of_manual "$block" "$small_lib"
  [ -z "$real_lib" ] || check "$title of the manual evaluates with nixpkgs' library" example_of_manual "$block" "$real_lib"
done
check "the template evaluates with what nixos-generate-config writes" template_with "$small_lib"
[ -z "$real_lib" ] || check "the template is the same under nixpkgs' library" same_with_real template_with
check "the template is refused until it has a key to log in with" template_as_it_comes "$small_lib"

check "the tests' machines can be written out" render "$work/machines"
if systemd-analyze security --offline=true --help >/dev/null 2>&1; then
  for unit in "$work"/machines/{uploads,elsewhere,garage,credentials,sent-by-nginx}/etc/systemd/system/atcr-hold.service \
    "$work"/machines/registry/etc/systemd/system/atcr-appview.service; do
    check "exposure at most 1.1: ${unit#"$work/machines/"}" exposed_little "$unit"
  done
else
  skip "exposure: there is no systemd-analyze that judges files"
fi

check "each NixOS test has a script, each script a test" every_test_paired
if python_tools; then
  check "types and names in the test scripts" scripts_checked
else
  skip "types of the test scripts: mypy and pyflakes could not be installed"
fi

if tool nixfmt_rs 0.5.3 nixfmt; then
  check "formatting of Nix files (else: bash tests/nix.sh --write)" "$tools/bin/nixfmt" --check "${nix_files[@]}"
else
  skip "formatting of Nix files: nixfmt could not be built"
fi
if tool deadnix 1.3.1 deadnix; then
  check "no unused names in Nix files" "$tools/bin/deadnix" --fail "${nix_files[@]}"
else
  skip "unused names in Nix files: deadnix could not be built"
fi

printf 'nix: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]

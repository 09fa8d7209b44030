# shellcheck shell=bash
# The files that the flake's checks are given. Sourced, never run; `repo` is the checkout.

# checked_paths: what nixos/package.nix gives them, a path a line.
# shellcheck disable=SC2154 # lib.sh has it
checked_paths() {
  nix-instantiate --readonly-mode --eval --strict --json \
    --expr "(import $repo/tests/nix/flake.nix { libPath = $repo/tests/nix/lib; }).files" |
    python3 -c 'import json, sys; print(*json.load(sys.stdin), sep="\n")'
}

# copy_checked_files DIRECTORY: these and nothing else, with their own times, so that the next build takes what is built.
copy_checked_files() {
  local paths path
  paths=$(checked_paths) || return 1
  rm -rf "$1"
  mkdir -p "$1"
  while IFS= read -r path; do
    git -C "$repo" ls-files -z --cached --others --exclude-standard -- "${path#"$repo/"}" |
      (cd "$repo" && xargs -0 cp -p --parents -t "$1") || return 1
  done <<<"$paths"
}

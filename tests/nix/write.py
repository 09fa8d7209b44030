"""Writes what evaluate.nix answers, as JSON on standard input, into a directory: etc/…, specialisation/<name>/etc/…."""

import json
import pathlib
import sys


def write(files: dict[str, str], root: pathlib.Path) -> None:
    for path, text in files.items():
        target = root / "etc" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


answer = json.load(sys.stdin)
directory = pathlib.Path(sys.argv[1])
write(answer["files"], directory)
for name, files in answer["specialisations"].items():
    write(files, directory / "specialisation" / name)

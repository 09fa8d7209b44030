"""Somebody who must be answered all the time while an attack lasts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hold import Answer

PAUSE_S = 0.5


class Watcher:
    """Asks twice a second, each question in a thread of its own, from an address of its own: whoever shares one with an
    attacker shares its part of the server."""

    ADDRESS = "127.0.0.9"
    # What is asked, and the status that is the answer.
    EXPECTED: Mapping[str, int]

    def __init__(self) -> None:
        self.worst = dict.fromkeys(self.EXPECTED, 0.0)
        self.failed: list[str] = []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.watch, args=(name,)) for name in self.EXPECTED]

    def once(self, name: str) -> Answer:
        """Asks one of the questions."""
        raise NotImplementedError

    def watch(self, name: str) -> None:
        while not self.ended.wait(PAUSE_S):
            try:
                answer = self.once(name)
                self.worst[name] = max(self.worst[name], answer.seconds)
                if answer.status != self.EXPECTED[name]:
                    self.failed.append(f"{name}: {answer.status}")
            except OSError as error:
                self.failed.append(f"{name}: {error!r}")

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def felt(self) -> str:
        worst = ", ".join(f"{name} {seconds * 1000:.0f} ms at worst" for name, seconds in self.worst.items())
        return worst + (f"; FAILED {len(self.failed)}: {', '.join(sorted(set(self.failed)))}" if self.failed else "")

"""Links held in memory, found from either end."""

from collections import defaultdict
from collections.abc import Iterable

from hematovision.lineage.graph import Link, Links
from hematovision.lineage.things import Thing


class Snapshot:
    """All links of one store, read once: what it says upwards is what it says downwards."""

    def __init__(self, links: Iterable[Link]) -> None:
        self._above: dict[Thing, dict[Link, None]] = defaultdict(dict)
        self._below: dict[Thing, dict[Link, None]] = defaultdict(dict)
        for link in links:
            self._above[link.child][link] = None
            self._below[link.parent][link] = None

    def above(self, thing: Thing) -> Links:
        """Links of which the thing is the child."""
        return Links(tuple(self._above.get(thing, ())))

    def below(self, thing: Thing) -> Links:
        """Links of which the thing is the parent."""
        return Links(tuple(self._below.get(thing, ())))

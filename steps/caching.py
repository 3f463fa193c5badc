"""When a cached step may be used again: its inputs, and the library's code, are the same."""

import hashlib
from functools import cache

from zenml.config.cache_policy import CachePolicy

from hematovision.home import PROJECT
from hematovision.provenance import software_versions


@cache
def library_digest() -> str:
    """One digest over the library's source and the versions below it; ZenML itself sees only a step's own code."""
    digest = hashlib.sha256(repr(sorted(software_versions().items())).encode())
    for folder in ("hematovision", "steps"):
        for path in sorted((PROJECT / folder).rglob("*")):
            if path.suffix in (".py", ".j2", ".css") and not path.is_relative_to(PROJECT / "hematovision" / "cli"):
                digest.update(path.relative_to(PROJECT).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


LIBRARY_CACHE = CachePolicy(cache_func=library_digest)

"""When a cached step may be used again: its inputs, and the library's code, are the same."""

from zenml.config.cache_policy import CachePolicy

from hematovision.provenance import library_digest

# ZenML itself sees only a step's own code.
LIBRARY_CACHE = CachePolicy(cache_func=library_digest)

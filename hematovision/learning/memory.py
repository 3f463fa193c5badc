"""How the memory of one training step is kept for the next."""

import ctypes

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> bool:
    """Have this process keep the memory that big tensors free; to be called before it starts threads.

    Left alone, glibc maps every block above 32 MB anew, and nearly every big one in threads, whose arenas are small:
    the kernel hands out each page again, cleared, at every step of a training. With folds side by side as threads that
    was a fifth of their time. The memory of the largest step stays with the process until it ends.

    Returns:
        Whether the C library knows how; others than glibc do not, and nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all([mallopt(_ARENA_MAX, 1), mallopt(_MMAP_MAX, 0), mallopt(_TRIM_THRESHOLD, -1)])

"""Owns the search for exact and near copies of a cell image; never decides a split and never reads a file."""

from hematovision.data.duplicates.index import Copy, DuplicateIndex
from hematovision.data.duplicates.search import DuplicatePair, cluster_duplicates, find_duplicates
from hematovision.data.duplicates.settings import DuplicateSettings
from hematovision.data.duplicates.signature import Signature, signature

__all__ = [
    "Copy",
    "DuplicateIndex",
    "DuplicatePair",
    "DuplicateSettings",
    "Signature",
    "cluster_duplicates",
    "find_duplicates",
    "signature",
]

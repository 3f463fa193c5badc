"""Owns the search for exact and near copies of a cell image; never decides a split and never reads a file."""

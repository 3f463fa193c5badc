"""Data versions: which cells and labels a model learnt from, kept by DVC so that any of them can be had again.

Owns the folder of kept versions, what their sources say of origin and licence, and the way to a remote and back. It
never reads a picture and knows no model.
"""

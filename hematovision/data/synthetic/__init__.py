"""Draws synthetic stained blood cells, bit for bit the same on every machine.

Owns the look of eight cell classes and of the scanners that picture them. Never reads an image, and no result on its
pictures says anything about real cells.
"""

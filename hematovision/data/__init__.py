"""Cells as data: finding, reading, checking, grouping and keeping the pictures and their labels.

Owns the way from a folder, archive or table of labelled pictures to a manifest (one row per accepted cell image), the
content-addressed store of the bytes behind it, and the list of what was left out and why. It never trains or judges a
model, never changes the files of a source, and never drops a picture silently: an image is a row of the manifest or a
row of the quarantine.
"""

"""Hyper-parameter search on the inner folds of the development cells: it reads no golden cell and keeps no model."""

"""Owns the HTTP service around a verified model: access, limits, answers, what happens when the model is replaced.

Never trains, never moves an alias, never answers without a verified model.
"""

"""How good a model is, with how much certainty, and the page that says so to a person.

Owns: metrics and their intervals, cross-validation summaries, calibration and prediction sets, the model's mistakes,
plots and the report.
Never does: train, predict, read files or decide whether a model passes a gate; it is handed the truth and the
probabilities. What calibrates an answer is fitted here, on cells that no reported figure uses.
"""

"""Does what comes in still look like what the model learnt from?

Owns the reference stored beside a model (observations and embeddings of cells the model was judged on out of fold), the
statistics that compare a window of new images with it, the calibrated verdict, and the report a person opens; and how
strange a single picture is, given the cells of each class the model learnt from.
Never computes an embedding or a prediction, never reads labels of new images, never retrains, and never decides about a
patient.
"""

"""Real objects of the frameworks against the reference, through the dialects."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")  # Keras asks once, when it is first imported

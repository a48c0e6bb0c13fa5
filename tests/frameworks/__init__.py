"""Real objects of the frameworks against the reference, through the dialects."""

import os

os.environ["KERAS_BACKEND"] = "jax"  # Keras asks once, when it is first imported

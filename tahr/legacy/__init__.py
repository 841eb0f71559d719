"""Names of Keras 2 that Keras 3 keeps."""

from tahr.legacy import saving

__all__ = ["saving"]

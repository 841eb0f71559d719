"""Names for choices that are plain text today."""

__all__ = ["Reduction"]


class Reduction:
    """How a loss puts the values of a batch together, as `keras.losses.Reduction` said it."""

    AUTO = "sum_over_batch_size"
    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"

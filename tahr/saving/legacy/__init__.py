"""Files of Keras 1 and 2, and the `.h5` files of Keras 3: read by turning what they say into today's form."""

__all__: list[str] = []

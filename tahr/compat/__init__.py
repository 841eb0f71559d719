"""Names of Keras 1 and 2. What was renamed works, with one notice a name; what was removed works, or says what to use.

Nothing here is needed by today's code: rooms ask this one only for names that they do not know.
"""

__all__: list[str] = []

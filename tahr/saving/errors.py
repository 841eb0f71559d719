"""What goes wrong with files, as classes of its own: not there, not readable, not safe."""

__all__ = ["MissingFileError", "UnreadableFileError", "UnsafeFileError", "UnsafeNameError"]


class UnreadableFileError(OSError, ValueError):
    """The file is truncated, damaged, or of another format."""


class MissingFileError(UnreadableFileError, FileNotFoundError):
    """There is no such file."""


class UnsafeFileError(ValueError):
    """The file asks for what a file of data never needs: code, other files, far more memory than its size."""


class UnsafeNameError(UnsafeFileError, TypeError):
    """The file names what is no part of any model, such as a function of the operating system."""

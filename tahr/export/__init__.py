"""Models for other programs: files that a framework runs without tahr.

`model.export(path, format=...)` writes them, reads them back, and says how far their numbers are from the model's.
"""

from tahr.export.archive import ExportArchive

__all__ = ["ExportArchive"]

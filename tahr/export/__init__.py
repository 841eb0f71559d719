"""Models for other programs: files that a framework runs without tahr.

`model.export(path, format=...)` writes them, reads them back, and says how far their numbers are from the model's.
"""

from tahr.export.archive import ExportArchive
from tahr.export.formats import FORMATS, export_model

__all__ = ["FORMATS", "ExportArchive", "export_model"]

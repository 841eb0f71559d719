"""Where batches come from. A source yields chunks: device arrays and how to cut batches out of them."""

from tahr.trainer.sources.source import Chunk, Source

__all__ = ["Chunk", "Source"]

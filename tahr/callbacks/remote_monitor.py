"""`RemoteMonitor`: the metrics of every epoch, sent to a server."""

import warnings
from collections.abc import Mapping
from typing import Any

from tahr.callbacks.callback import Callback, Logs

__all__ = ["RemoteMonitor"]

TIMEOUT_SECONDS = 10.0


class RemoteMonitor(Callback):
    """Posts `epoch` (counted from 0) and the metrics to a server after every epoch.

    A server that does not answer is warned about; training goes on.

    Args:
        root: address of the server.
        path: path below it.
        field: name of the form's field that holds the JSON text, if it is sent as a form.
        headers: further HTTP headers.
        send_as_json: whether the JSON text is the body itself, sent as application/json.

    >>> callbacks.RemoteMonitor(root="http://localhost:9000", send_as_json=True).url
    'http://localhost:9000/publish/epoch/end/'
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json

    @property
    def url(self) -> str:
        """The address that is posted to."""
        return self.root + self.path

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Send the metrics."""
        import json
        import urllib.error
        import urllib.parse
        import urllib.request

        values = {name: _plain(value) for name, value in (logs or {}).items()}
        text = json.dumps({"epoch": epoch, **values})
        kind = "application/json" if self.send_as_json else "application/x-www-form-urlencoded"
        body = text if self.send_as_json else urllib.parse.urlencode({self.field: text})
        request = urllib.request.Request(
            self.url, data=body.encode(), headers={"Content-Type": kind, **(self.headers or {})}
        )
        try:
            urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS).close()
        except (urllib.error.URLError, OSError) as error:
            warnings.warn(f"RemoteMonitor: could not send epoch {epoch} to {self.url}: {error}.", stacklevel=2)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value

"""A real S3 server on loopback: moto's, with buckets that live as long as it does."""

from __future__ import annotations

import itertools
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_numbers = itertools.count(1)


@dataclass(frozen=True)
class S3Server:
    """A running server, which takes any key until `demand_keys`."""

    endpoint: str

    @property
    def client(self) -> Any:
        """A boto3 client."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="writer",
            aws_secret_access_key="of-tests",
        )

    def bucket(self, **objects: bytes) -> str:
        """Name of a new bucket that holds the objects."""
        name = f"desk-{next(_numbers)}"
        self.client.create_bucket(Bucket=name)
        for key, content in objects.items():
            self.put(name, key, content)
        return name

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Puts an object, over an older one."""
        self.client.put_object(Bucket=bucket, Key=key, Body=content)

    @contextmanager
    def demanding_keys(self) -> Iterator[None]:
        """From here on a key has to be one that the server gave out: it gave out none."""
        self._count_down(0)
        try:
            yield
        finally:
            self._count_down(10**9)

    def _count_down(self, actions: int) -> None:
        request = urllib.request.Request(
            f"{self.endpoint}/moto-api/reset-auth", data=str(actions).encode(), method="POST",
            headers={"Content-Type": "text/plain"},
        )  # fmt: skip
        urllib.request.urlopen(request, timeout=10).close()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Starts a server, and stops it on the way out."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3Server(f"http://{host}:{port}")
    finally:
        server.stop()

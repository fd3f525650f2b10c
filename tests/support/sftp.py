"""A real SFTP server on loopback: asyncssh's, in a thread, over one folder."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

USER, PASSWORD = "desk", "pa:ss/w@rd"


@dataclass(frozen=True)
class SftpServer:
    """A running server over a folder; one user with one password, or with one key.

    Attributes:
        port: On 127.0.0.1.
        folder: What the user sees as `/`.
        host_key: The line of the server's own key.
        user_key: File of a private key that the server takes.
        opened: Names of the files that were opened so far.
    """

    port: int
    folder: Path
    host_key: str
    user_key: Path
    opened: list[str] = field(default_factory=list)

    def url(self, path: str = "") -> str:
        """URL of a folder on it."""
        return f"sftp://{USER}@127.0.0.1:{self.port}/{path}"


@contextmanager
def sftp_server(folder: Path, keys: Path) -> Iterator[SftpServer]:
    """Starts a server over `folder`, and stops it on the way out.

    Args:
        folder: What is served.
        keys: Folder for its keys.
    """
    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)
    host = asyncssh.generate_private_key("ssh-ed25519")
    user = asyncssh.generate_private_key("ssh-ed25519")
    user.write_private_key(keys / "id_ed25519")
    line = host.export_public_key().decode().strip()
    opened: list[str] = []

    class Desk(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == (USER, PASSWORD)

        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            return username == USER and key.public_data == user.public_data

    class Served(asyncssh.SFTPServer):
        def __init__(self, chan: asyncssh.SSHServerChannel) -> None:
            super().__init__(chan, chroot=str(folder).encode())

        def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
            opened.append(path.decode())
            return super().open(path, pflags, attrs)

    loop = asyncio.new_event_loop()
    listening = asyncio.run_coroutine_threadsafe  # from the test's thread into the server's
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Desk, sftp_factory=Served, server_host_keys=[host]
        )

    acceptor = listening(listen(), loop).result(20)
    try:
        yield SftpServer(
            port=acceptor.get_port(), folder=folder, host_key=line, user_key=keys / "id_ed25519",
            opened=opened,
        )  # fmt: skip
    finally:

        async def stop() -> None:
            acceptor.close()
            await acceptor.wait_closed()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        listening(stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()

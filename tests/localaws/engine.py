"""The engine's process: ``python -m tests.localaws.engine DIRECTORY``.

It serves HTTPS on a free loopback port, enforces IAM policies, writes the port as a line to standard output, keeps
every file in DIRECTORY, and ends when its standard input ends: so it notices that its parent is gone, even killed.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import ipaddress
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import traceback
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.localaws import ACCOUNT, HOST, REGION


def main() -> None:
    """Serve until standard input ends or a signal comes, then remove everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    try:
        listener = socket.create_server((HOST, 0))
        port = listener.getsockname()[1]
        _configure(arguments.directory, port)
        # asyncio.run would wait for the threads of requests that are still waiting for messages.
        asyncio.new_event_loop().run_until_complete(_serve(listener, port))
    except BaseException:
        traceback.print_exc()
    finally:
        shutil.rmtree(arguments.directory, ignore_errors=True)
        # An orderly end would wait half a minute for background threads that have nothing to save.
        os._exit(0)


def _configure(directory: Path, port: int) -> None:
    """Set what ministack and moto read from the environment, before either is imported.

    The Lambda workers inherit this environment, so nothing of the caller's own configuration may be in it.
    """
    own = ("AWS_", "POWERTOOLS_", "LOG_LEVEL")
    for name in [name for name in os.environ if name.startswith(own) or name.lower().endswith("_proxy")]:
        del os.environ[name]
    certificate, key = _certificate(directory)
    os.environ |= {
        "ACCOUNT_ID": ACCOUNT,
        "AUTH": "true",  # enforces IAM
        "AWS_EC2_METADATA_DISABLED": "true",
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",  # would open a port of its own
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "MINISTACK_SSL_CERT": str(certificate),
        "MINISTACK_SSL_KEY": str(key),
        "MOTO_ACCOUNT_ID": ACCOUNT,
        "SFTP_ENABLED": "0",  # would open a port of its own
        "S3_DATA_DIR": str(directory / "s3"),
        "STATE_DIR": str(directory / "state"),
        "TMPDIR": str(directory),
        "USE_SSL": "1",  # the queues' policies deny what is not encrypted, as on AWS
    }
    tempfile.tempdir = str(directory)


def _certificate(directory: Path) -> tuple[Path, Path]:
    """Write a certificate for the loopback address and its key. openssl may not be installed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localaws")])
    # The queues' URLs say localhost.
    names = [x509.IPAddress(ipaddress.ip_address(HOST)), x509.DNSName("localhost")]
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = directory / "localaws.crt", directory / "localaws.key"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_path, key_path


async def _serve(listener: socket.socket, port: int) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack import app
    from ministack.core import lambda_runtime

    from tests.localaws import patches

    patches.apply()
    config = Config()
    # ministack's own start would bind port 443 as well, and leave a pid file behind.
    config.bind = [f"fd://{listener.detach()}"]
    config.certfile = os.environ["MINISTACK_SSL_CERT"]
    config.keyfile = os.environ["MINISTACK_SSL_KEY"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, end.set)
    threading.Thread(target=_when_parent_is_gone, args=(loop, end), daemon=True).start()
    server = loop.create_task(serve(app.app, config))
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.wait({server, loop.create_task(end.wait())}, return_when=asyncio.FIRST_COMPLETED)
    if server.done():
        server.result()
    lambda_runtime.reset()  # ends the functions' processes


def _when_parent_is_gone(loop: asyncio.AbstractEventLoop, end: asyncio.Event) -> None:
    sys.stdin.read()
    loop.call_soon_threadsafe(end.set)


if __name__ == "__main__":
    main()

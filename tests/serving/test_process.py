"""The server as a process of its own: start, reload, a reload that fails, and the end."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crmintel.scoring import verify_bundle
from tests.scoring.conftest import customer_model, fitted, world

pytestmark = pytest.mark.slow
CANARY = "canary-3b9d"


def asked(port: int, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        told = connection.getresponse()
        return told.status, told.read().decode()
    finally:
        connection.close()


def until(true: Callable[[], bool], seconds: float = 40.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if true():
                return
        except OSError:
            pass
        time.sleep(0.1)
    pytest.fail("it did not come to pass in time")


def test_a_newer_bundle_takes_over_and_a_damaged_one_does_not(tmp_path: Path) -> None:
    customer_model().save(tmp_path / "one")
    fitted("CustomerModel").save(tmp_path / "two", metadata={"newer": True})
    shutil.copytree(tmp_path / "one", tmp_path / "damaged")
    (tmp_path / "damaged" / "model.json").write_bytes(b"{}")
    (tmp_path / "damaged" / "manifest.sha256").write_text("0" * 64)
    one, two = (verify_bundle(tmp_path / n).fingerprint for n in ("one", "two"))
    assert one != two
    (tmp_path / "now").symlink_to("one")

    def turn(name: str) -> None:
        (tmp_path / "next").symlink_to(name)
        os.replace(tmp_path / "next", tmp_path / "now")

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    log = tmp_path / "log"
    with open(log, "wb") as out:
        job = subprocess.Popen(
            [sys.executable, "-m", "crmintel", "serve", str(tmp_path / "now"), "--port", str(port), "--reload-every", "0.5", "--log-requests"],
            stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        until(lambda: one in asked(port, "GET", "/ready")[1])
        row = world()[2].iloc[0]
        body = json.dumps({"rows": [{k: None if v != v else v for k, v in row.items()}]}).encode()
        before = json.loads(asked(port, "POST", "/predict", body)[1])
        turn("two")
        until(lambda: two in asked(port, "GET", "/ready")[1])
        after = json.loads(asked(port, "POST", "/predict", body)[1])
        assert (before["model"], after["model"]) == (one, two)
        assert before["predictions"] == after["predictions"]
        turn("damaged")
        until(lambda: "crmintel_reload_failures_total 0\n" not in asked(port, "GET", "/metrics")[1])
        assert two in asked(port, "GET", "/ready")[1]
        assert asked(port, "POST", "/predict", json.dumps({"rows": [{"tenure_days": CANARY}]}).encode())[0] == 422
        assert asked(port, "GET", f"/{CANARY}?x={CANARY}")[0] == 404
    finally:
        job.send_signal(signal.SIGTERM)
        assert job.wait(30) in (0, -signal.SIGTERM)
    assert CANARY not in log.read_text(encoding="utf-8")

"""A Chromium that tests drive through its own pipe: real keys, a real pointer, dark and print emulated."""

import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, final

PROGRAM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --remote-debugging-pipe"
)
_PATIENCE = 60.0
"""Seconds."""
_KEYS = {
    "Tab": 9,
    "Enter": 13,
    "Escape": 27,
    "End": 35,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}


@final
class Browser:
    """One page at a time, spoken to over the DevTools protocol."""

    def __init__(self, profile: Path) -> None:
        assert PROGRAM is not None
        their_in, self._out = os.pipe()
        self._in, their_out = os.pipe()
        start = f"import os, sys; os.dup2({their_in}, 3); os.dup2({their_out}, 4); os.execv(sys.argv[1], sys.argv[1:])"
        self._process = subprocess.Popen(
            [sys.executable, "-c", start, PROGRAM, *FLAGS.split(), f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(their_in, their_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(their_in)
        os.close(their_out)
        self._rest, self._number, self._session = b"", 0, ""
        self.complaints: list[str] = []
        self._seen: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for part in ("Page", "Runtime", "Log", "Accessibility"):
            self.send(f"{part}.enable")

    def close(self) -> None:
        """End the browser."""
        try:
            self._session = ""
            self.send("Browser.close")
            self._process.wait(20)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._out)
            os.close(self._in)

    def send(self, method: str, **params: Any) -> Any:
        """Ask for something and wait for the answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            told = self._receive()
            if told.get("id") == self._number:
                assert "error" not in told, (method, told["error"])
                return told["result"]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._in], [], [], _PATIENCE)[0], "the browser says nothing"
            piece = os.read(self._in, 1 << 20)
            assert piece, "the browser has gone"
            self._rest += piece
        one, self._rest = self._rest.split(b"\0", 1)
        told: dict[str, Any] = json.loads(one)
        method, params = told.get("method", ""), told.get("params", {})
        self._seen.append(method)
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        if method == "Log.entryAdded" and params["entry"]["level"] in ("warning", "error"):
            self.complaints.append(params["entry"]["text"])
        if method == "Runtime.consoleAPICalled":
            self.complaints.append(str(params["args"]))
        return told

    def open(self, path: Path, *, width: int = 1280, height: int = 900, dark: bool = False, media: str = "") -> None:
        """A fresh page of that width, light or dark, for the screen or for paper."""
        self.look(dark=dark, media=media)
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.complaints.clear()
        self._seen.clear()
        self.send("Page.navigate", url=path.as_uri())
        while "Page.loadEventFired" not in self._seen:
            self._receive()

    def look(self, *, dark: bool = False, media: str = "") -> None:
        """What the reader's machine asks for."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.send("Emulation.setEmulatedMedia", media=media, features=[scheme, still])

    def run(self, script: str) -> Any:
        """The value of an expression on the page."""
        told = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def press(self, *keys: str) -> None:
        """Real strokes of keys."""
        for key in keys:
            code = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
            text = {"text": "\r"} if key == "Enter" else {}
            self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **code, **text)
            self.send("Input.dispatchKeyEvent", type="keyUp", **code)

    def point(self, x: float, y: float) -> None:
        """Move the pointer there."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def tap(self, x: float, y: float) -> None:
        """A finger that touches and goes."""
        self.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def shot(self) -> str:
        """The whole page as a PNG, in base64."""
        told: str = self.send("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        return told

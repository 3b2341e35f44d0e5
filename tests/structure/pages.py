"""A page as one script: its Python, its commands and its files, in the order in which they stand."""

import re

BLOCK = re.compile(r"(?:<!-- (file|not run): ([^\n]*?) -->\n)?```(\w*)\n(.*?)```", re.S)
START = """
import pathlib as _pathlib, shlex as _shlex, subprocess as _subprocess, sys as _sys
def _command(line):
    done = _subprocess.run([_sys.executable, "-m", *_shlex.split(line)], capture_output=True, text=True)
    print(done.stdout)
    if done.returncode:
        raise SystemExit(f"{line}\\nended with {done.returncode}:\\n{done.stderr}")
"""


def script(text: str) -> str:
    """Python that does what a reader would who copies every block: ``$ crmintel`` of console blocks, files that are shown, Python."""
    lines = [START]
    for mark, word, language, body in BLOCK.findall(text):
        if mark == "not run":
            continue
        if mark == "file":
            lines.append(f"_pathlib.Path({word!r}).write_text({body!r}, encoding='utf-8')")
        elif language == "python":
            lines.append(body)
        elif language == "console":
            lines += [f"_command({line[2:]!r})" for line in body.splitlines() if line.startswith("$ crmintel ")]
    return "\n".join(lines)

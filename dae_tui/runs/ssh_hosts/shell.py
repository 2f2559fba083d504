"""What is said to the shell of another host, and the forms of its answers.

The shell reads commands from its standard input, one line per request, for as long as the
connection lasts. An answer begins and ends with lines that hold a mark, which is drawn anew for
each connection: whatever a login prints before is skipped. Nothing is written there.

| answer | meaning |
|---|---|
| `MARK T seconds` | the clock of the host |
| `F mtime size inode ./RUN/FILE` | a regular file |
| `MARK B count` | so many bytes follow |
| `MARK E words` | why there is no answer |
| `MARK .` | the end of an answer |
"""

import shlex
from collections.abc import Iterable

from dae_tui.runs.folder.layout import CONFIG, LOG, META, METRICS, SAMPLES, STATUS, TAGS

FILES = (STATUS, CONFIG, META, TAGS, METRICS, LOG)
# Files younger than this are listed at each look; the others now and then.
RECENT_MINUTES = 3

_NAMES = " -o ".join(f"-name {name}" for name in FILES)
# Links are neither listed nor followed: they may lead to what is nobody's business. `head` fills up
# with zeros what a file has lost since it was listed, so that the length of an answer is known.
_PROGRAM = f"""
exec 2>/dev/null; unset CDPATH; LC_ALL=C; export LC_ALL; m={{mark}}
if stat -c %Y / >/dev/null; then o=-c f='F %Y %s %i %n'; else o=-f f='F %m %z %i %N'; fi
enter() {{{{ case $1 in "~/"*) cd -- "$HOME/${{{{1#??}}}}";; *) cd -- "$1";; esac; }}}}
look() {{{{
(if enter "$1"; then printf '%s T %s\\n' "$m" "$(date +%s)"
find . -mindepth 2 -maxdepth 2 $2 -type f \\( {_NAMES} \\) -exec stat "$o" "$f" {{{{}}}} +
else printf '%s E there is no folder %s\\n' "$m" "$1"; fi); printf '%s .\\n' "$m"
}}}}
newest() {{{{
(enter "$1" && [ ! -h "$2" ] && find "$2/{SAMPLES}" -mindepth 1 -maxdepth 1 -type f \
-name '[0-9]*.npz' -exec stat "$o" "$f" {{{{}}}} + | sort -k 5 | tail -n 1); printf '%s .\\n' "$m"
}}}}
small() {{{{ (enter "$1" && shift && tar -cf - "$@"); printf '\\n%s .\\n' "$m"; }}}}
part() {{{{
(if enter "$1" && [ -f "$2" ] && [ ! -h "$2" ] && [ ! -h "${{{{2%/*}}}}" ]
then printf '%s B %s\\n' "$m" "$4"
{{{{ tail -c "+$3" "$2" | head -c "$4"; head -c "$4" /dev/zero; }}}} | head -c "$4"
else printf '%s B 0\\n' "$m"; fi); printf '\\n%s .\\n' "$m"
}}}}
printf '\\n%s .\\n' "$m"
"""


def program(mark: str) -> bytes:
    """The functions that requests call; the answer is an end."""
    return _PROGRAM.format(mark=mark).encode()


def look(path: str, *, recent: bool) -> bytes:
    """List the files of the runs in a folder: all of them, or those that changed of late."""
    return _line("look", path, f"-mmin -{RECENT_MINUTES}" if recent else "")


def newest(path: str, run: str) -> bytes:
    """List the newest sample of a run."""
    return _line("newest", path, f"./{run}")


def small(path: str, files: Iterable[str]) -> bytes:
    """Pack some files, `RUN/FILE` each."""
    return _line("small", path, *(f"./{file}" for file in files))


def part(path: str, file: str, offset: int, count: int) -> bytes:
    """Send some bytes of a file."""
    return _line("part", path, f"./{file}", str(offset + 1), str(count))


def _line(*words: str) -> bytes:
    return (shlex.join(words) + "\n").encode()

"""The moving picture of README.md: a panel of chapter 06 as its slider goes from small messages to large ones.

Usage: python tools/picture.py [--check]   (--check: only say whether the picture is up to date)

Every frame is what the panel says and draws; only the controls, which a browser would draw, are drawn here. It plays
once, in under five seconds, and rests on the setting where the straight line misses most: nothing moves for ever
beside the text.
"""

import io
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import matplotlib
import panels as finder
from PIL import Image, ImageDraw, ImageFont

from dcserver.lab import style

PICTURE = finder.ROOT / "notebooks" / "images" / "panel.gif"
CHAPTER, PANEL, CONTROL, REST = "06", "size_panel", "message", 2**20
SIZE, LEFT, RIGHT, EDGE = (
    (960, 560),
    276,
    320,
    20,
)  # pixels: whole, width of the controls, where the picture begins, margin
FRAME, LAST = 140, 1000  # ms
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # the same letters on every machine


def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, as the charts have it."""
    return ImageFont.truetype(str(FONTS / f"DejaVuSans{'-Bold' if bold else ''}.ttf"), size)


def write(draw: ImageDraw.ImageDraw, words: str, x: int, y: int, width: int, size: int, line: int) -> int:
    """Words with **bold** runs, wrapped; returns where the next line would stand."""
    at = x
    for i, run in enumerate(re.split(r"\*\*", words)):
        letters = font(size, bold=i % 2 == 1)
        for word in re.findall(r"\S+\s*|\s+", run):
            if at > x and at + letters.getlength(word.rstrip()) > x + width:
                at, y = x, y + line
            draw.text((at, y), word, fill=style.INK, font=letters)
            at += int(letters.getlength(word))
    return y + line


def controls(draw: ImageDraw.ImageDraw, panel: Any, y: int) -> None:
    """Each control with its label and what it stands at."""
    for control in panel.controls:
        place = control.values.index(panel.values[control.name])
        draw.text((EDGE, y), control.label, fill=style.INK, font=font(13))
        if control.kind in ("slider", "log"):
            middle, start, end = y + 30, EDGE + 6, EDGE + 170
            at = start + (end - start) * place // (len(control.values) - 1)
            draw.line((start, middle, end, middle), fill=style.GHOST, width=4)
            draw.ellipse((at - 8, middle - 8, at + 8, middle + 8), fill="white", outline=style.QUIET, width=2)
            draw.text(
                (LEFT + EDGE, middle - 8), control.texts[place], fill=style.INK, font=font(13, bold=True), anchor="ra"
            )
        else:
            draw.rectangle((EDGE, y + 18, LEFT + EDGE, y + 44), outline=style.GHOST)
            draw.text((EDGE + 8, y + 23), control.texts[place], fill=style.INK, font=font(12))
            x = LEFT + EDGE - 16
            draw.line((x - 5, y + 28, x, y + 34, x + 5, y + 28), fill=style.INK, width=2)
        y += 62


def frame(panel: Any) -> Image.Image:
    """The panel as it stands."""
    image = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(image)
    y = write(draw, f"**{panel.title}**", EDGE, 14, SIZE[0] - 2 * EDGE, 14, 22)
    y = (write(draw, panel.task, EDGE, y, SIZE[0] - 2 * EDGE, 13, 20) if panel.task else y) + 12
    controls(draw, panel, y)
    below = write(draw, panel.sentence, RIGHT, y, SIZE[0] - RIGHT - EDGE, 16, 23)
    chart = Image.open(io.BytesIO(panel.png())).convert("RGB")
    chart = chart.resize((panel.chart.width, panel.chart.height), Image.Resampling.LANCZOS)
    image.paste(chart, (RIGHT - 4, max(below, y + 3 * 23) + 6))
    return image


def film() -> bytes:
    """A GIF: the slider passes every second position, and comes back to rest."""
    (chapter,) = (path for path in finder.chapters() if path.name.startswith(CHAPTER))
    panel = finder.panels(chapter)[PANEL]
    (control,) = (c for c in panel.controls if c.name == CONTROL)
    frames = []
    for value in [*control.values[::2], REST]:
        panel.set(**{CONTROL: value})
        panel.chart.update(ghost=None, **panel._shown)  # a ghost is for the eye that moved the slider
        panel._png = None
        frames.append(frame(panel).quantize(128, dither=Image.Dither.NONE))
    stream = io.BytesIO()
    times = [FRAME] * (len(frames) - 1) + [LAST]
    frames[0].save(stream, "gif", save_all=True, append_images=frames[1:], duration=times, optimize=True)
    return stream.getvalue()


def main() -> int:
    made = film()
    if "--check" in sys.argv[1:]:
        same = PICTURE.exists() and PICTURE.read_bytes() == made
        print("up to date" if same else f"{PICTURE.name} is out of date: python tools/picture.py")
        return int(not same)
    PICTURE.write_bytes(made)
    print(f"{PICTURE.relative_to(finder.ROOT)}: {len(made) / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

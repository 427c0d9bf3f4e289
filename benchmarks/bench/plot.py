"""How a cost grows, as an SVG that stands alone and can be read on light and on dark paper."""

import math
from html import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 92, 150, 44, 52
# Told apart also by those who see no colours: by their dashes and marks.
STYLES = [("#0b62d6", "#6cb0ff", ""), ("#b3470b", "#ff9d5c", "6 4"), ("#0b7a4b", "#56d39b", "2 4"), ("#7a2fb0", "#cf9bff", "10 3 2 3")]


def ticks(low, high):
    """1, 2 and 5 of each power of ten; where that is crowded, the powers alone."""
    res = []
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        res += [n * 10.0**power for n in (1, 2, 5)]
    res = [it for it in res if low * 0.999 <= it <= high * 1.001]
    return res if len(res) <= 8 else [it for it in res if abs(math.log10(it) - round(math.log10(it))) < 1e-9]


def seconds(value):
    return f"{value:g} s" if value >= 1 else f"{value * 1000:g} ms"


def svg(growth):
    """`growth`: title, unit, xs and lines, each with a name and the median seconds and their spread at each x."""
    xs = growth["xs"]
    spreads = [it for line in growth["lines"] for low_high in line["spread"] for it in low_high]
    low, high = 10 ** math.floor(math.log10(min(spreads)) * 2 / 2), max(spreads) * 1.2
    low = max(low, min(spreads) / 2)

    def x(value):
        span = math.log10(max(xs) / min(xs)) or 1
        return LEFT + math.log10(value / min(xs)) / span * (WIDTH - LEFT - RIGHT)

    def y(value):
        return HEIGHT - BOTTOM - math.log10(value / low) / math.log10(high / low) * (HEIGHT - TOP - BOTTOM)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(growth["title"], True)}">',
        "<style>text{font:13px system-ui,sans-serif;fill:#1b1f24}.t{font-weight:600;font-size:15px}.g{stroke:#d5dae0}.p{fill:#fff}",
        *(f".l{n}{{stroke:{it[0]};stroke-dasharray:{it[2] or 'none'}}}.c{n}{{fill:{it[0]}}}" for n, it in enumerate(STYLES)),
        "@media(prefers-color-scheme:dark){text{fill:#e3e7ec}.g{stroke:#3a424d}.p{fill:#12161b}",
        *(f".l{n}{{stroke:{it[1]}}}.c{n}{{fill:{it[1]}}}" for n, it in enumerate(STYLES)),
        "}</style>",
        f'<rect class="p" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="t" x="{LEFT}" y="24">{escape(growth["title"])}</text>',
    ]
    for value in ticks(low, high):
        out.append(f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{seconds(value)}</text>')
    for value in xs:
        out.append(f'<line class="g" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        out.append(f'<text x="{x(value):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value}</text>')
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    out.append(f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{escape(growth["unit"])}</text>')
    half = TOP + (HEIGHT - TOP - BOTTOM) / 2
    out.append(f'<text transform="translate(16 {half}) rotate(-90)" text-anchor="middle">time, lower is better</text>')
    # Names beside the ends of their lines, and not on one another.
    ends = sorted((y(line["median"][-1]), n) for n, line in enumerate(growth["lines"]))
    places, last = {}, -math.inf
    for at, n in ends:
        last = max(at, last + 17)
        places[n] = last
    for n, line in enumerate(growth["lines"]):
        points = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in zip(xs, line["median"]))
        out.append(f'<polyline class="l{n}" fill="none" stroke-width="2.2" points="{points}"/>')
        for at, value, (least, most) in zip(xs, line["median"], line["spread"]):
            out.append(f'<line class="l{n}" style="stroke-dasharray:none" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{y(least):.1f}" y2="{y(most):.1f}"/>')
            out.append(f'<circle class="c{n}" cx="{x(at):.1f}" cy="{y(value):.1f}" r="3.5"><title>{escape(line["name"])}, {at}: {seconds(float(f"{value:.3g}"))}</title></circle>')
        out.append(f'<text class="c{n}" x="{WIDTH - RIGHT + 10}" y="{places[n] + 4:.1f}">{escape(line["name"])}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"

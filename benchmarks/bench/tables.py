"""The rows as Markdown, between two marks of docs/benchmarks.md."""

from .measure import median, ratios, spread

BEGIN, END = "<!-- made by benchmarks/run: do not edit -->", "<!-- end -->"


def number(value, of):
    if of == "mb":
        return f"{value:.0f} MB"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def row(it):
    of = it["of"]
    ours = number(median([one[of] for one in it["samples"]["ours"]]), of)
    theirs = it["samples"].get("theirs")
    if not theirs:
        low, high = spread([one[of] for one in it["samples"]["ours"]])
        return f"| {it['what']} | {ours} ({number(low, of)} to {number(high, of)}) | | | | |"
    theirs = number(median([one[of] for one in theirs]), of)
    all_ratios = ratios(it["samples"], of)
    low, high = spread(all_ratios)
    return f"| {it['what']} | {ours} | {it['peer']} | {theirs} | **{median(all_ratios):.2f}** | {low:.2f} to {high:.2f} |"


def markdown(results, names):
    here = results["machine"]
    loads = " and ".join(f"{it:.1f}" for it in here["load"])
    res = [
        f"Measured on {here['date']} at {here['commit']}: {here['cores']} processors ({here['cpu']}), {here['kernel']}, {here['system']},",
        f"{here['rustc']}, load {loads} at start and end.",
        "",
        "| what | xtask | peer | peer's time | peer ÷ xtask | spread |",
        "|---|---|---|---|---|---|",
    ]
    growths = []
    extra = []
    for name in names:
        it = results.get(name)
        if not it:
            continue
        if "lines" in it:
            growths.append(f"![{it['title']}](benchmarks/{name}.svg)")
        elif "table" in it:
            extra += ["", *it["table"]]
        else:
            res += [row(one) for one in it["rows"]]
    res += extra
    if growths:
        res += ["", "How the cost grows with the work, on logarithmic scales:", "", *growths]
    return "\n".join(res) + "\n"


def replace(file, text):
    old = file.read_text()
    head, rest = old.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    file.write_text(f"{head}{BEGIN}\n\n{text}\n{END}{tail}")

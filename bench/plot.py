"""The results as one SVG: a row of bars for each measurement that has a yardstick, p2pd's beside the yardsticks' of the same
run. Lengths are relative to the largest of a row, so rows do not compare with each other."""
import html

ROW, BAR, LEFT, WIDTH = 26, 18, 330, 420
COLOURS = ("#2a6fb0", "#b9b9b9", "#dcdcdc")


def rows_of(results):
    for titles in results.values():
        for title, by_who in titles.items():
            if len(by_who) < 2:
                continue
            figure = next(iter(next(iter(by_who.values()))))
            yield title, figure, {who: figures[figure] for who, figures in by_who.items() if figure in figures}


def svg(results):
    parts, y = [], ROW
    for title, figure, values in rows_of(results):
        parts.append(text(0, y, f"{title} ({figure})", "font-weight='bold'"))
        y += ROW - 6
        most = max(values.values()) or 1
        for (who, value), colour in zip(values.items(), COLOURS):
            length = max(1, round(WIDTH * value / most))
            parts.append(text(20, y, who))
            parts.append(f"<rect x='{LEFT}' y='{y - BAR + 5}' width='{length}' height='{BAR - 2}' fill='{colour}'/>")
            parts.append(text(LEFT + length + 6, y, f"{value:,g}"))
            y += BAR + 2
        y += ROW // 2
    size = f"width='{LEFT + WIDTH + 130}' height='{y}'"
    return (f"<svg xmlns='http://www.w3.org/2000/svg' {size} font-family='sans-serif' font-size='13'>\n"
            "<rect width='100%' height='100%' fill='white'/>\n" + "\n".join(parts) + "\n</svg>\n")


def text(x, y, words, more=""):
    return f"<text x='{x}' y='{y}' {more}>{html.escape(words)}</text>"

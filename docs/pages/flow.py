"""The picture of the flow: processes as boxes, topics as pills, drawn from two lists."""

from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 1040, 430
COLUMNS = (110, 315, 520, 725, 930)
ROWS = (75, 160, 245, 365)
BOX_WIDTH, BOX_HEIGHT = 150, 56
PILL_WIDTH, PILL_HEIGHT = 172, 36
GAP = 7

_OPENING = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
    'font-family="system-ui, sans-serif" text-anchor="middle">'
)
_ARROW_HEAD = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0,0 L8,4 L0,8 z" fill="#4a5568"/></marker></defs>'
)
_FILLS = {"process": "#dbe7f6", "topic": "#fdf0d5", "outside": "#ffffff"}
_STROKES = {"process": "#31659c", "topic": "#b7791f", "outside": "#8a8f98"}


@dataclass(frozen=True, slots=True)
class Node:
    """A place on the grid: one of penstock's processes, a topic, or somebody outside."""

    column: int
    row: int
    kind: Literal["process", "topic", "outside"]
    name: str
    words: str = ""

    @property
    def x(self) -> int:
        return COLUMNS[self.column]

    @property
    def y(self) -> int:
        return ROWS[self.row]


NODES = {
    node.name: node
    for node in (
        Node(0, 0, "outside", "a person", "penstock activate"),
        Node(1, 0, "topic", "commands"),
        Node(2, 0, "process", "controller", "decides, journals"),
        Node(3, 0, "topic", "journal"),
        Node(2, 1, "topic", "deployments"),
        Node(0, 2, "outside", "your producers", "any language"),
        Node(1, 2, "topic", "MODEL.requests"),
        Node(2, 2, "process", "scorer", "as many as you like"),
        Node(3, 2, "topic", "MODEL.predictions"),
        Node(4, 2, "outside", "your consumers", "read_committed"),
        Node(2, 3, "topic", "receipts, dead-letters"),
        Node(3, 3, "process", "sink", "documents, once each"),
        Node(4, 3, "outside", "analysts", "SQL, reports, ledger"),
    )
}
ARROWS = (
    ("a person", "commands"),
    ("commands", "controller"),
    ("controller", "journal"),
    ("controller", "deployments"),
    ("deployments", "scorer"),
    ("your producers", "MODEL.requests"),
    ("MODEL.requests", "scorer"),
    ("scorer", "MODEL.predictions"),
    ("MODEL.predictions", "your consumers"),
    ("scorer", "receipts, dead-letters"),
    ("receipts, dead-letters", "sink"),
    ("MODEL.predictions", "sink"),
    ("sink", "analysts"),
)


def flow_picture() -> str:
    """The picture as SVG."""
    parts = [
        _OPENING,
        "<title>Requests become predictions; commands become deployments; everything becomes documents</title>",
        _ARROW_HEAD,
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#f7f8fa"/>',
        _caption("control plane: events", 24),
        _caption("data plane: batches", 202),
        *(_arrow(NODES[start], NODES[end]) for start, end in ARROWS),
        *(_node(node) for node in NODES.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _caption(words: str, y: int) -> str:
    return f'<text x="35" y="{y}" text-anchor="start" font-size="13" fill="#6b7280">{escape(words)}</text>'


def _node(node: Node) -> str:
    height = BOX_HEIGHT if node.kind != "topic" else PILL_HEIGHT
    radius = 8 if node.kind != "topic" else height // 2
    width = BOX_WIDTH if node.kind != "topic" else PILL_WIDTH
    dashes = ' stroke-dasharray="5 3"' if node.kind == "outside" else ""
    shape = (
        f'<rect x="{node.x - width // 2}" y="{node.y - height // 2}" width="{width}" height="{height}" rx="{radius}" '
        f'fill="{_FILLS[node.kind]}" stroke="{_STROKES[node.kind]}" stroke-width="1.5"{dashes}/>'
    )
    face = ' font-family="ui-monospace, monospace"' if node.kind == "topic" else ""
    size = 12 if node.kind == "topic" else 15
    name_y = node.y - 3 if node.words else node.y + 5
    lines = [
        shape,
        f'<text x="{node.x}" y="{name_y}" font-size="{size}"{face} fill="#1a202c">{escape(node.name)}</text>',
    ]
    if node.words:
        lines.append(
            f'<text x="{node.x}" y="{node.y + 16}" font-size="11.5" fill="#4a5568">{escape(node.words)}</text>'
        )
    return "\n".join(lines)


def _arrow(start: Node, end: Node) -> str:
    """A straight arrow along the row or the column that both nodes are on."""
    assert (start.row == end.row) != (start.column == end.column), f"{start.name} and {end.name} are not in line"
    if start.row == end.row:
        x1, x2 = start.x + _half_width(start), end.x - _half_width(end) - GAP
        line = f'x1="{x1}" y1="{start.y}" x2="{x2}" y2="{end.y}"'
    else:
        y1, y2 = start.y + _half_height(start), end.y - _half_height(end) - GAP
        line = f'x1="{start.x}" y1="{y1}" x2="{end.x}" y2="{y2}"'
    return f'<line {line} stroke="#4a5568" stroke-width="1.5" marker-end="url(#head)"/>'


def _half_width(node: Node) -> int:
    return (BOX_WIDTH if node.kind != "topic" else PILL_WIDTH) // 2


def _half_height(node: Node) -> int:
    return (BOX_HEIGHT if node.kind != "topic" else PILL_HEIGHT) // 2

"""The start of a JPEG XL codestream: size, depth, channels, colors (ISO/IEC 18181-1, D and E)."""

from phnet.images.declared_colors import Declared, by_codes, by_primaries

RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
P3_WHITE = (0.314, 0.351)


class Bits:
    """Bits of a JPEG XL codestream, the lowest of a byte first."""

    def __init__(self, content: bytes) -> None:
        self._number, self._left = int.from_bytes(content, "little"), 8 * len(content)

    def take(self, count: int) -> int:
        """The next bits as a number."""
        if count > self._left:
            raise IndexError(count)
        value = self._number & ((1 << count) - 1)
        self._number >>= count
        self._left -= count
        return value

    def flag(self) -> bool:
        """The next bit."""
        return bool(self.take(1))

    def one_of(self, *ways: int | tuple[int, int]) -> int:
        """One of four ways to write a number: itself, or (bits, offset)."""
        way = ways[self.take(2)]
        return way if isinstance(way, int) else self.take(way[0]) + way[1]

    def choice(self) -> int:
        """One of a list of names."""
        return self.one_of(0, 1, (4, 2), (6, 18))


def size_of(bits: Bits) -> tuple[int, int]:
    """Width and height."""

    def side() -> int:
        if small:
            return (bits.take(5) + 1) * 8
        return bits.one_of((9, 1), (13, 1), (18, 1), (30, 1))

    small = bits.flag()
    height, ratio = side(), bits.take(3)
    if not ratio:
        return side(), height
    across, down = RATIOS[ratio - 1]
    return height * across // down, height


def skip_preview(bits: Bits) -> None:
    """Read over the size of a preview."""
    in_eights = bits.flag()

    def side() -> int:
        if in_eights:
            return bits.one_of(16, 32, (5, 1), (9, 33))
        return bits.one_of((6, 1), (8, 65), (10, 321), (12, 1345))

    side()
    if not bits.take(3):
        side()


def depth_of(bits: Bits) -> tuple[bool, int]:
    """Depth of samples: whether they are floats, and their bits."""
    if not bits.flag():
        return False, bits.one_of(8, 10, 12, (6, 1))
    count = bits.one_of(32, 16, 24, (6, 1))
    bits.take(4)
    return True, count


def extra_of(bits: Bits) -> tuple[int, bool]:
    """Kind of an extra channel (0: alpha), and whether the colors are multiplied by it."""
    if bits.flag():
        return 0, False
    kind = bits.choice()
    depth_of(bits)
    bits.one_of(0, 3, 4, (3, 1))
    for _ in range(bits.one_of(0, (4, 0), (5, 16), (10, 48))):
        bits.take(8)
    multiplied = kind == 0 and bits.flag()
    if kind == 2:
        bits.take(64)
    if kind == 5:
        bits.one_of(1, (2, 0), (4, 3), (8, 19))
    return kind, multiplied


def colors_of(bits: Bits) -> tuple[int, Declared, bool]:
    """Color space (0 RGB, 1 gray), what is declared, and whether there is a profile instead."""
    if bits.flag():
        return 0, Declared(), False
    has_icc, space = bits.flag(), bits.choice()
    if has_icc:
        return space, Declared(), True

    def point() -> tuple[float, float]:
        x, y = (bits.one_of((19, 0), (19, 1 << 19), (20, 1 << 20), (21, 1 << 21)) for _ in "xy")
        return _signed(x) / 1e6, _signed(y) / 1e6

    channels, white, gamut = 1 if space == 1 else 3, 1, 1
    points: tuple[float, ...] = ()
    given = None
    if space != 2:
        white = bits.choice()
        given = point() if white == 2 else {10: (1 / 3, 1 / 3), 11: P3_WHITE}.get(white)
        if space != 1:
            gamut = bits.choice()
            if gamut == 2:
                points = (*point(), *point(), *point())
    gamma = bits.take(24) / 1e7 if bits.flag() else 0.0
    transfer = 2 if gamma else bits.choice()
    primaries = {1: 1, 9: 9, 11: 11 if white == 11 else 12}.get(gamut, 0)
    if not gamma and not points and given in (None, P3_WHITE):
        return space, by_codes(primaries, transfer, channels), False
    return space, by_primaries(primaries, points, given, gamma, channels), False


def _signed(value: int) -> int:
    return -(value + 1) // 2 if value & 1 else value // 2

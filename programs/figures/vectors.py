"""Points, directions and rotations in space, as plain tuples. Nothing here knows of a body."""

from math import acos, asin, atan2, cos, degrees, radians, sin, sqrt

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]  # rows

ORIGIN: Vector = (0.0, 0.0, 0.0)


def add(a: Vector, b: Vector) -> Vector:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def minus(a: Vector, b: Vector) -> Vector:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def times(a: Vector, k: float) -> Vector:
    return a[0] * k, a[1] * k, a[2] * k


def dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def length(a: Vector) -> float:
    return sqrt(dot(a, a))


def unit(a: Vector) -> Vector:
    return times(a, 1 / (length(a) or 1.0))


def mix(a: Vector, b: Vector, t: float) -> Vector:
    return a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t


def apply(m: Matrix, v: Vector) -> Vector:
    return dot(m[0], v), dot(m[1], v), dot(m[2], v)


def multiply(first: Matrix, *rest: Matrix) -> Matrix:
    result = first
    for m in rest:
        columns = tuple(zip(*m, strict=True))
        result = tuple(tuple(dot(row, column) for column in columns) for row in result)  # type: ignore[assignment]
    return result


def transpose(m: Matrix) -> Matrix:
    return tuple(zip(*m, strict=True))  # type: ignore[return-value]


def about_x(angle: float) -> Matrix:
    """In degrees; from y toward z."""
    c, s = cos(radians(angle)), sin(radians(angle))
    return (1.0, 0.0, 0.0), (0.0, c, -s), (0.0, s, c)


def about_y(angle: float) -> Matrix:
    """From z toward x."""
    c, s = cos(radians(angle)), sin(radians(angle))
    return (c, 0.0, s), (0.0, 1.0, 0.0), (-s, 0.0, c)


def about_z(angle: float) -> Matrix:
    """From x toward y."""
    c, s = cos(radians(angle)), sin(radians(angle))
    return (c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0)


def xzy_angles(m: Matrix) -> Vector:
    """The a, b, c in degrees of which m is about_x(a), then about_z(b), then about_y(c)."""
    b = asin(max(-1.0, min(1.0, -m[0][1])))
    a = atan2(m[2][1], m[1][1])
    c = atan2(m[0][2], m[0][0])
    return degrees(a), degrees(b), degrees(c)


def angle_between(a: Vector, b: Vector) -> float:
    return degrees(acos(max(-1.0, min(1.0, dot(unit(a), unit(b))))))


def from_columns(x: Vector, y: Vector, z: Vector) -> Matrix:
    return transpose((x, y, z))

"""Lines of a MatrixMarket file, byte by byte."""

from steadyvelo.model._jit import Array, kernel

__all__ = ["wrong_byte"]

_TAB, _LINE_FEED, _RETURN, _SPACE = 9, 10, 13, 32
# states before a field and after a carriage return, after which the line has to end
_NOTHING, _ENDING = 0, -2


@kernel
def wrong_byte(data: Array, state: Array, n_fields: int, following: Array, complete: Array) -> int:
    """Return the place of the first byte with which a line is no entry any more; −1 without one.

    An entry has two indices and `n_fields` − 2 values, which are separated by spaces or tabs; blank
    lines are passed over. ``following[k, seen, byte]`` is what a field has after a byte, for
    indices (k = 0) and values (k = 1), and −1 if it is no number; ``complete[seen]`` tells whether
    it is one. `state` has the number of complete entries, that of complete fields of the last line,
    and what its last field has; the next part of a file continues there.
    """
    entries, field, seen = state[0], state[1], state[2]
    for place in range(len(data)):
        byte = data[place]
        if seen == _ENDING and byte != _LINE_FEED:
            return place
        if byte in (_SPACE, _TAB, _LINE_FEED, _RETURN):
            if seen > _NOTHING:
                if not complete[seen]:
                    return place
                field += 1
            seen = _ENDING if byte == _RETURN else _NOTHING
            if byte == _LINE_FEED:
                if field not in (0, n_fields):
                    return place
                entries += field == n_fields
                field = 0
            continue
        if field == n_fields:
            return place
        seen = following[min(field // 2, 1), seen, byte]
        if seen < 0:
            return place
    state[0], state[1], state[2] = entries, field, seen
    return -1

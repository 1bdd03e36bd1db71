"""Collections of texts in an HDF5 file."""

from steadyvelo.model._jit import Array, kernel

__all__ = ["largest_object"]

# bytes in front of a collection's objects, and in front of an object's content
_HEAD, _OBJECT_HEAD = 16, 16


@kernel
def largest_object(data: Array) -> int:
    """Return the size of the largest object of a collection; −1 if its objects do not fit into it.

    An object has a number of two bytes, which is 0 for the rest that is free, and its size in eight
    bytes; it is padded to a multiple of eight bytes. The free rest counts its own head.
    """
    place, largest = _HEAD, 0
    while place + _OBJECT_HEAD <= len(data):
        number = data[place] + 256 * data[place + 1]
        size = 0
        for k in range(8):
            size += data[place + 8 + k] << (8 * k)
        left = len(data) - place
        if size < 0:
            return -1
        if number == 0:
            return largest if size == left else -1
        if size > left - _OBJECT_HEAD:
            return -1
        largest = max(largest, size)
        place += _OBJECT_HEAD + (size + 7) // 8 * 8
    return largest

"""Check the pickle inside a file of torch.save before torch reads it.

A pickle is a program that builds objects. `torch.load(weights_only=True)` calls nothing but what builds tensors, but
that is enough for a small file to take all memory or time: a bytearray of 2 GiB, a key that is a tuple of itself sixty
times over and takes 2^60 steps to hash, a dict that is copied a hundred thousand times. `check_pickle` stops these by
going through the instructions without executing any.
"""

import pickletools
import re

from analysis.models.errors import UnusableError

MOST_VALUES = 500_000  # the most in a pickle; a shared value counts each time it appears

# The names that a state dict refers to, and a checkpoint of plain values around it.
GLOBALS = re.compile(
    r"collections (OrderedDict|Counter)|torch (Size|device|\w+Storage|b?float\w+|double|half|u?int\d+|long|bool)"
    r"|torch\._utils _rebuild_(tensor_v2|parameter)|torch\.serialization _get_layout"
)
CALLS = ("REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "BUILD")
GROWS = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")  # these change a value that exists already

Size = list[int]  # how many values a value holds: one number, in a list so that references to one value share it


def check_pickle(content: bytes) -> None:
    """Check that a pickle refers only to what state dicts are made of, and holds no more values than they do.

    Raises:
        UnusableError: for a pickle that refers to anything else, or grows large by repeating shared values. Bytes
            that are no pickle raise another exception.
    """
    shadow = _ShadowStack()
    for opcode, argument, _ in pickletools.genops(content):
        _require_known(opcode.name, argument)
        shadow.follow(opcode, argument)


def _require_known(instruction: str, argument: object) -> None:
    """Raise an UnusableError for a reference to a class or function that state dicts don't need."""
    hidden = instruction in ("STACK_GLOBAL", "INST")  # the name is built on the stack, or called at once
    if hidden or (instruction == "GLOBAL" and not GLOBALS.fullmatch(str(argument))):
        named = str(argument or "another class").replace(" ", ".")
        raise UnusableError(f"it refers to {named}: expected tensors alone, torch.save(model.state_dict(), …)")


class _ShadowStack:
    """The stack of an unpickler with the size of each value in place of the value.

    A value that is used twice counts twice, because hashing or copying would visit it twice.
    """

    def __init__(self) -> None:
        self.stack: list[Size | None] = []  # None is a mark, from which an instruction takes all that follows
        self.memo: dict[object, Size | None] = {}
        self.called = 0  # values that were arguments of a call

    def follow(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        """Apply an instruction to the sizes, as an unpickler applies it to the values."""
        if "PUT" in opcode.name or opcode.name == "MEMOIZE":
            self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]
        elif "GET" in opcode.name:
            self.stack.append(self.memo[argument])
        else:
            self._replace(opcode)

    def _replace(self, opcode: pickletools.OpcodeInfo) -> None:
        """Take an instruction's arguments from the stack, and put its results there."""
        arguments = self._take(opcode)
        size = 1 + sum(argument[0] for argument in arguments)
        if opcode.name in CALLS:
            self.called += size
        if max(size, self.called) > MOST_VALUES:
            raise UnusableError(f"a pickle of more than {MOST_VALUES:,} values: expected the state dict alone")
        result = arguments[-1] if opcode.name in GROWS else [size]
        result[0] = size
        self.stack += [None if kind is pickletools.markobject else result for kind in opcode.stack_after]

    def _take(self, opcode: pickletools.OpcodeInfo) -> list[Size]:
        """Take an instruction's arguments, the first of them last; with a mark, all values above the mark too."""
        arguments, below = [], opcode.stack_before
        if pickletools.markobject in below:
            while (size := self.stack.pop()) is not None:
                arguments.append(size)
            below = below[: below.index(pickletools.markobject)]
        for _ in below:
            if (size := self.stack.pop()) is None:
                raise ValueError("a mark where a value is expected")
            arguments.append(size)
        return arguments

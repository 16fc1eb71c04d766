"""Read a pickle as data: what torch.save writes becomes plain values, descriptions of tensors, and placeholders.

A pickle is a program that builds objects. Here its instructions are followed without importing, building or calling
anything: a class or a function is a name, and what it would have made is a `Placeholder` of that name. So a checkpoint
may hold anything beside its tensors. Keys are compared, so those that aren't text or numbers are left out: a key that
is a tuple of itself sixty times over would take 2^60 steps to hash.
"""

import io
import pickletools
from dataclasses import dataclass
from typing import Any

from analysis.files.errors import UnusableError

MOST_VALUES = 500_000  # instructions of a pickle
DICTS = ("collections.OrderedDict", "collections.defaultdict")
MARK = object()
LARGEST_KEY = 2**63
MOST_AXES = 64  # as torch allows
CALLS = ("REDUCE", "NEWOBJ", "NEWOBJ_EX")


@dataclass(frozen=True)
class Name:
    """A class or a function that a pickle refers to, never imported."""

    name: str


@dataclass(eq=False)
class Placeholder:
    """What a class or a function would have made, never built; `state` is what it would have been given."""

    name: str
    state: object = None


@dataclass(frozen=True)
class Storage:
    """The numbers of one or several tensors, by the key under which the file has them."""

    kind: str  # torch's name of a storage's class, which gives the dtype: FloatStorage
    key: str
    count: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as a pickle describes it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def read_pickle(content: bytes) -> tuple[object, int]:
    """Read the pickle at the start of some bytes; return what it holds and how many bytes it takes.

    Raises:
        UnusableError: for a pickle of too many values. Bytes that are no pickle raise another exception.
    """
    reader, stream = _Reader(), io.BytesIO(content)
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if count > MOST_VALUES:
            raise UnusableError(f"a pickle of more than {MOST_VALUES:,} values: expected the state dict alone")
        if opcode.name != "STOP":
            reader.follow(opcode, argument)
    return reader.pop(), stream.tell()


class _Reader:
    """The stack and the memo of a pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[object, Any] = {}

    def pop(self) -> Any:  # noqa: ANN401 - a value of any kind
        """Take one value from the stack."""
        value = self.stack.pop()
        if value is MARK:
            raise ValueError("a mark where a value is expected")
        return value

    def pop_to_mark(self) -> list[Any]:
        """Take all values above the last mark, and the mark."""
        values = []
        while (value := self.stack.pop()) is not MARK:
            values.append(value)
        return values[::-1]

    def follow(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        """Follow one instruction."""
        name, stack = opcode.name, self.stack
        if name in ("PROTO", "FRAME"):
            pass
        elif name == "MARK":
            stack.append(MARK)
        elif "PUT" in name or name == "MEMOIZE":
            value = self.pop()
            self.memo[len(self.memo) if argument is None else argument] = value
            stack.append(value)
        elif "GET" in name:
            stack.append(self.memo[argument])
        elif name in ("POP", "DUP"):
            value = stack.pop() if name == "POP" else self.pop()
            stack.extend([value] * 2 if name == "DUP" else ())
        elif name == "POP_MARK":
            self.pop_to_mark()
        elif opcode.stack_before:
            self._combine(name, argument)
        elif name.startswith("EMPTY"):
            stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": list}[name]())
        elif name == "GLOBAL":
            stack.append(Name(str(argument).replace(" ", ".")))
        elif name in ("NONE", "NEWTRUE", "NEWFALSE"):
            stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
        elif argument is None or name.startswith(("EXT", "PERSID")):
            raise ValueError(f"the instruction {name}, which torch.save never writes")
        else:
            stack.append(argument)

    def _combine(self, name: str, argument: object) -> None:
        """Follow an instruction that makes a value of others, or adds others to one."""
        if name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            self.stack.append(tuple([self.pop() for _ in range(int(name[-1]))][::-1]))
        elif name in ("LIST", "TUPLE", "FROZENSET", "DICT", "OBJ", "INST"):
            self.stack.append(_of_values(name, self.pop_to_mark(), argument))
        elif name in ("APPENDS", "ADDITEMS", "SETITEMS"):
            values = self.pop_to_mark()
            _add(self.stack[-1], values, name == "SETITEMS")
        elif name in ("APPEND", "SETITEM"):
            values = [self.pop() for _ in range(1 + (name == "SETITEM"))][::-1]
            _add(self.stack[-1], values, name == "SETITEM")
        elif name == "BUILD":
            state, made = self.pop(), self.stack[-1]
            if isinstance(made, Placeholder):
                made.state = state
        elif name == "BINPERSID":
            self.stack.append(_stored(self.pop()))
        elif name == "STACK_GLOBAL":
            attribute, module = self.pop(), self.pop()
            self.stack.append(Name(f"{module[:100]}.{attribute[:100]}"))
        elif name in CALLS:
            if name == "NEWOBJ_EX":
                self.pop()  # its named arguments
            arguments = self.pop()
            self.stack.append(_called(self.pop(), arguments))
        else:
            raise ValueError(f"the instruction {name}, which torch.save never writes")


def _of_values(name: str, values: list[Any], argument: object) -> object:
    """Return what an instruction makes of all values above a mark."""
    if name == "DICT":
        made: dict[Any, Any] = {}
        _add(made, values, pairs=True)
        return made
    if name in ("OBJ", "INST"):
        return Placeholder(_text(Name(str(argument).replace(" ", ".")) if argument else values[0]))
    return tuple(values) if name == "TUPLE" else values


def _add(to: object, values: list[Any], pairs: bool) -> None:
    """Add values to a list, or pairs to a dict; a placeholder stays as it is."""
    if isinstance(to, dict) and pairs:
        for key, value in zip(values[::2], values[1::2], strict=True):
            if isinstance(key, str) or (isinstance(key, int) and abs(key) < LARGEST_KEY):
                to[key] = value
    elif isinstance(to, list) and not pairs:
        to.extend(values)
    elif not isinstance(to, Placeholder):
        raise ValueError(f"values added to a {type(to).__name__}")


def _stored(identity: object) -> object:
    """Return the storage, or before torch 1.6 the class of a module, that a persistent id names."""
    match identity:
        case ("module", Name() as kind, *_):
            return kind
        case ("storage", Name(kind), str(key), _, int(count)) | ("storage", Name(kind), str(key), _, int(count), None):
            return Storage(kind.rpartition(".")[2], key, count)
    return Placeholder("a stored object")


def _called(function: object, arguments: object) -> object:
    """Return what a call would have made: a tensor's description, a dict, or a placeholder. Nothing is called.

    Arguments may be long, and used again in every call: none is copied, nor looked through.
    """
    name = _text(function)
    if name in DICTS:
        return {}  # its items are added to it afterwards
    match name, arguments:
        case "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor", (
            Storage() as storage, int(offset), tuple(shape), tuple(stride), *_
        ) if _are_sizes(shape) and _are_sizes(stride):  # fmt: skip
            return StoredTensor(storage, offset, shape, stride)
        case "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state", (
            StoredTensor() as tensor, *_
        ):  # fmt: skip
            return tensor
        case "torch._tensor._rebuild_from_type_v2", (Name(inner), _, tuple(of), *_) if inner.startswith("torch._utils"):
            return _called(Name(inner), of)
        case "torch.Size", (tuple(sizes),):
            return sizes
    return Placeholder(name)


def _text(function: object) -> str:
    """Return the name of a class or a function."""
    return function.name if isinstance(function, Name) else "an object"


def _are_sizes(sizes: tuple) -> bool:
    """Return whether a tuple holds the sizes or strides of a tensor's axes."""
    return len(sizes) <= MOST_AXES and all(type(size) is int for size in sizes)

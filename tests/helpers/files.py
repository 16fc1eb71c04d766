"""Files of weights and of data: sound ones, unusable ones with the message that refuses them, and changed ones."""

import importlib.util
import io
import os
import pickle
import random
import struct
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors
from torch import nn

from analysis.files.limits import LARGEST
from analysis.models.layers import RecurrentStack
from analysis.models.pickles import read_pickle

CASES = Path(__file__).parents[1] / "models" / "cases"


def saved(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


class Attack:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def with_pickle(content):
    """An archive of torch.save with another pickle in it."""
    return changed(lambda name, old: content if name.endswith("data.pkl") else old)


def packed(members, kind=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def hash_bomb():
    """A dict whose key is a tuple of itself 60 times over: its hash would take longer than there is time."""
    tuples = b")q\x000" + b"".join(b"h%ch%c\x86q%c0" % (k, k, k + 1) for k in range(60))
    return b"\x80\x02}" + tuples + b"h\x3cK\x01s."


def copies():
    """An OrderedDict copied again and again."""
    pairs = b"](" + b"".join(b"M%sK\x01\x86" % struct.pack("<H", k) for k in range(30_000)) + b"eq\x00"
    return b"\x80\x02]" + pairs + b"ccollections\nOrderedDict\nq\x01" + b"h\x01h\x00\x85R" * 100_000 + b"."


def overlapping():
    """An archive whose directory names the same MiB of zeros 20,000 times over."""
    whole = packed([("a/data.pkl", b"\x80\x02}."), ("a/data/0", bytes(2**20))], zipfile.ZIP_STORED)
    start = whole.index(b"PK\x01\x02", whole.index(b"PK\x01\x02") + 1)
    entry = whole[start : whole.index(b"PK\x05\x06")]
    many = b"".join(entry.replace(b"a/data/0", b"a/%06d" % k) for k in range(15_000))
    first = whole.index(b"PK\x01\x02")
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 15_001, 15_001, len(many) + start - first, first, 0)
    return whole[:start] + many + tail


def lying(array, shape):
    """An .npy whose header promises another shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": array.dtype.str, "fortran_order": False, "shape": shape})
    return file.getvalue() + array.tobytes()


def scripted():
    file = io.BytesIO()
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), file)
    return file.getvalue()


def legacy(content):
    """What torch before 1.6 wrote."""
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def legacy_with(old, new):
    """A file of torch before 1.6 with the last of some bytes replaced."""
    return new.join(legacy(nn.GRU(2, 3).state_dict()).rsplit(old, 1))


def legacy_with_content(content):
    """A file of torch before 1.6 with another pickle of what it holds."""
    whole, start = legacy(nn.RNN(2, 3).state_dict()), 0
    for _ in range(3):
        start += read_pickle(whole[start:])[1]
    return whole[:start] + content + whole[start + read_pickle(whole[start:])[1] :]


def big_endian():
    return changed(lambda name, content: b"big" if name.endswith("byteorder") else content)


def outside():
    """A file of torch.save whose tensor is longer than its numbers."""
    return changed(lambda name, content: content.replace(b"K\x03K\x02\x86", b"K\x03K\xff\x86"))


def changed(change):
    """An archive of torch.save with its entries changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(nn.RNN(2, 3).state_dict()))) as old, zipfile.ZipFile(file, "w") as new:
        for member in old.infolist():
            new.writestr(member.filename, change(member.filename, old.read(member)))
    return file.getvalue()


def safetensors(header):
    return struct.pack("<Q", len(header)) + header


WHOLE = r"whole pickled torch.nn.modules.rnn.GRU, which is never built: expected a state dict: torch.save\(model"


ZEROS = bytes(300 * 2**20)


BYTEARRAY = b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R."  # of 2 GiB


DEEP = b"\x80\x02" + b"}K\x01" * 50_000 + b"}" + b"s" * 50_000 + b"."


NAN = np.where(np.arange(27).reshape(9, 3) == 14, np.nan, 1)


WEIGHTS = {
    "nothing": ("a.pt", lambda: b"", "an empty file"),
    "another kind": ("a.gz", lambda: b"x", r"a.gz: expected a file ending in .safetensors, .*.pth, .ckpt"),
    "text": ("a.pt", lambda: b"hello" * 100, "a.pt: this is not a file that torch.save writes: expected"),
    "plain pickle": ("a.pt", lambda: pickle.dumps(Attack(os.system, ("true",))), "not a file that torch.save writes"),
    "whole module": ("a.pt", lambda: saved(nn.GRU(2, 3)), WHOLE),
    "whole module, before 1.6": ("a.pth.tar", lambda: legacy(nn.GRU(2, 3)), WHOLE),
    "checkpoint of a whole module": ("a.ckpt", lambda: saved({"model": nn.GRU(2, 3)}), "but a pickled torch.nn.mod"),
    "before 1.6, cut": ("a.bin", lambda: legacy(nn.GRU(2, 3).state_dict())[:-4], r"bytes for \d+ numbers"),
    "before 1.6, another count": ("a.bin", lambda: legacy_with(b"\x09" + bytes(7), b"\x08" + bytes(7)), "8 number"),
    "TorchScript of no layer": ("a.pt", scripted, "no recurrent layer among 2 tensors"),
    "big-endian": ("a.pt", big_endian, "big-endian"),
    "outside its numbers": ("a.pt", outside, "storage of size|storage size"),
    "list": ("a.pt", lambda: saved([torch.ones(2)]), "it holds a list: expected a state dict"),
    "tensor": ("a.pt", lambda: saved(torch.ones(2)), "it holds a Tensor: expected a state dict"),
    "any zip": ("a.pt", lambda: packed([("a.txt", "a")]), "0 data.pkl: expected one"),
    "two pickles": ("a.pt", lambda: packed([("a/data.pkl", "a"), ("b/data.pkl", "a")]), "2 data.pkl: expected one"),
    "compressed": ("a.pt", lambda: packed([("a/data.pkl", "a")]), "is compressed"),
    "zip bomb": ("a.pt", lambda: packed([("a/data.pkl", ZEROS)]), "300.0 MiB: expected at most 100 MiB"),
    "nested zip bomb": ("a.pt", lambda: packed([("a/data.pkl", packed([("b", ZEROS)]))]), "is compressed"),
    "overlapping": ("a.pt", overlapping, "expected at most 100 MiB"),
    "many entries": ("a.pt", lambda: packed([(str(k), "") for k in range(20_001)], 0), "too many entries"),
    "too large": ("a.pt", lambda: bytes(LARGEST + 1), "a file of 100.0 MiB: expected at most 100 MiB"),
    "long pickle": ("a.pt", lambda: with_pickle(b"\x80\x02}" + b"0}" * 2**21), "a pickle of 4.0 MiB"),
    "bytearray bomb": ("a.pt", lambda: with_pickle(BYTEARRAY), "whole pickled __builtin__.bytearray"),
    "hash bomb": ("a.pt", lambda: with_pickle(hash_bomb()), "no recurrent layer among 0 tensors"),
    "copy bomb": ("a.pt", lambda: with_pickle(copies()), "no recurrent layer among 0 tensors"),
    "values bomb": ("a.pt", lambda: with_pickle(b"](" + b"K\x01" * 500_000 + b"e."), "more than 500,000 values"),
    "deep": ("a.pt", lambda: with_pickle(DEEP), "nested too deep"),
    "long name": ("a.pt", lambda: saved({"a" * 2000: torch.ones(1)}), "a name of 2,000 characters"),
    "surrogate": ("a.pt", lambda: with_pickle(b"\x80\x02cos\n\xed\xa0\x80\n."), "can't be read"),
    "short": ("a.safetensors", lambda: b"abc", "3 bytes: expected a safetensors file"),
    "long header": ("a.safetensors", lambda: struct.pack("<Q", 2**60) + b"x", "expected at most 2 MiB"),
    "no JSON": ("a.safetensors", lambda: safetensors(b"{]"), "can't be read"),
    "header lies": ("a.safetensors", lambda: safetensors(
        b'{"weight_hh":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'), "can't be read"),
}  # fmt: skip


DATA = {
    "nothing": ("x.npy", lambda: b"", "an empty file"),
    "another kind": ("x.txt", lambda: b"1", "expected a file ending in .npy, .npz, .csv"),
    "random": ("x.npy", lambda: random.Random(0).randbytes(999), "can't be read"),
    "objects": ("x.npy", lambda: npy(np.array([{}, []], object), allow_pickle=True), "Python objects, which is never"),
    "objects in npz": ("x.npz", lambda: npz(a=np.array([[{}, 1, 2]], object)), "Python objects, which is never"),
    "records": ("x.npy", lambda: npy(np.zeros(3, [("a", "f4")])), "expected real numbers"),
    "complex": ("x.npy", lambda: npy(np.zeros((4, 3), complex)), "complex128: expected real numbers"),
    "words": ("x.npy", lambda: npy(np.array([["a", "b", "c"]])), "expected real numbers"),
    "dates": ("x.npy", lambda: npy(np.zeros((4, 3), "M8[s]")), "expected real numbers"),
    "empty": ("x.npy", lambda: npy(np.zeros((0, 3))), r"an empty array of shape \(0, 3\)"),
    "one number": ("x.npy", lambda: npy(np.float64(3)), r"\(\): expected \(T, 3\), \(N, T, 3\) or \(T, N, 3\)"),
    "row": ("x.npy", lambda: npy(np.zeros(3)), r"of shape \(3,\): expected"),
    "wrong D": ("x.npy", lambda: npy(np.zeros((9, 4))), r"of shape \(9, 4\): expected \(T, 3\)"),
    "four axes": ("x.npy", lambda: npy(np.zeros((1, 2, 9, 3))), "expected"),
    "NaN": ("x.npy", lambda: npy(NAN), r"nan at \(4, 2\): expected finite"),
    "infinite": ("x.npy", lambda: npy(np.full((9, 3), -np.inf)), r"-inf at \(0, 0\)"),
    "lies": ("x.npy", lambda: lying(np.zeros(3), (10**12, 3)), "expected as many as its header says"),
    "lies below zero": ("x.npy", lambda: lying(np.zeros(3), (-1, -3)), "expected|can't be read"),
    "truncated": ("x.npy", lambda: npy(np.zeros((9, 3)))[:-5], "expected as many"),
    "zip bomb": ("x.npz", lambda: packed([("a.npy", ZEROS)]), "300.0 MiB: expected at most 100 MiB"),
    "bzip2": ("x.npz", lambda: packed([("a.npy", npy(np.zeros((9, 3))))], zipfile.ZIP_BZIP2), "as numpy never does"),
    "no arrays": ("x.npz", lambda: packed([("a.txt", "a")]), "a ZIP without arrays"),
    "two that fit": ("x.npz", lambda: npz(a=np.zeros((9, 3)), b=np.zeros((8, 3))), r"2 of its arrays fit \(a \(9"),
    "none that fits": ("x.npz", lambda: npz(a=np.zeros((9, 2)), b=np.zeros(3)), "0 of its arrays fit"),
    "words in CSV": ("x.csv", lambda: b"a,b,c\n1,2,3\n1,two,3\n", r"x.csv: row 3, column 2 \(b\) is 'two': expected"),
    "gap in CSV": ("x.csv", lambda: b"1,2,3\n1,,3\n", "row 2, column 2 is empty: expected a number"),
    "uneven CSV": ("x.csv", lambda: b"1,2,3\n1,2\n", "row 2 has 2 columns: expected 3"),
    "NaN in CSV": ("x.csv", lambda: b"1,2,3\n1,nan,3\n", "row 2, column 2 is 'nan': expected a finite"),
    "header alone": ("x.csv", lambda: b"a,b,c\n", "no row of numbers"),
    "binary CSV": ("x.csv", lambda: b"1,2\0,3\n", "binary content"),
    "Latin CSV": ("x.csv", lambda: "é,b,c".encode("latin-1"), "can't be read"),
    "long CSV": ("x.csv", lambda: b"1,2,3\n" * 4_000_000, "a CSV of 22.9 MiB: expected at most 20 MiB"),
    "long field": ("x.csv", lambda: b"1" * 200_000, "can't be read"),
}  # fmt: skip


FOR = RecurrentStack("", "lstm", 3, 4, 1, True)


def attacks(marker):
    command = f"open({str(marker)!r}, 'w').close()"
    for call in ((os.system, (f"touch {marker}",)), (exec, (command,)), (subprocess.run, (["touch", str(marker)],))):
        for protocol in (2, 4):
            yield pickle.dumps({"weight_hh": Attack(*call)}, protocol)
    yield b"cos\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR."
    yield b"(S'touch " + str(marker).encode() + b"'\nios\nsystem\n."


def formats():
    """Small files of Keras and ONNX, as far as the packages that read them are installed."""
    cases = {"sequential.keras": "h5py", "sequential.weights.h5": "h5py", "sequential.h5": "h5py", "lstm.onnx": "onnx"}
    return {
        f"a.{name}": (CASES / name).read_bytes() for name, package in cases.items() if importlib.util.find_spec(package)
    }


def targets():
    torch.manual_seed(0)
    state = {"a." + name: weight for name, weight in nn.LSTM(3, 4).state_dict().items()}
    inputs = np.random.default_rng(0).normal(size=(2, 9, 3))
    rows = "\n".join(",".join(f"{number:.3f}" for number in row) for row in inputs[0])
    return {
        "a.pt": saved({"epoch": 1, "model": state}),
        "a.safetensors": save_safetensors(state),
        "a.pth": saved(
            nn.utils.parametrizations.weight_norm(nn.GRU(3, 4, bidirectional=True), "weight_hh_l0").state_dict()
        ),
        "a.ckpt": legacy({"epoch": np.float64(1), "model_state": state}),
        "a.npz": npz(**{name.replace("weight", "w"): weight.numpy() for name, weight in state.items()}),
        **formats(),
        "x.npy": npy(inputs),
        "x.npz": npz(x=inputs, y=np.zeros(3)),
        "x.csv": f"a,b,c\n{rows}\n".encode(),
    }


def mutated(data, chance):
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        # The interesting bytes stand at both ends: headers and directories.
        at = min(
            int(chance.choice((chance.random(), chance.random() ** 4, 1 - chance.random() ** 4)) * len(data)),
            len(data) - 1,
        )
        match chance.randrange(6):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                data[at] ^= 1 << chance.randrange(8)
            case 2:
                data[at : at + chance.randrange(1, 40)] = b""
            case 3:
                data[at:at] = chance.randbytes(chance.randrange(1, 20))
            case 4:
                data[at : at + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"-1e9", b"nan "))
            case 5:
                data = data[:at] if chance.random() < 0.3 else data[:at] + data[at // 2 :]
        if not data:
            break
    return bytes(data)


def mutated_inside(data, chance):
    """An archive that is sound itself, with one of its entries mutated."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    one = chance.choice([name for name in members if name.endswith((".pkl", ".npy", ".json", ".h5"))])
    return packed((members | {one: mutated(members[one], chance)}).items(), zipfile.ZIP_STORED)

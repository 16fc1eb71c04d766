"""Data of a user's own: sound files, and unusable ones with the line that refuses them."""

import io

import numpy as np

from tests.helpers.files import npz


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def sequences(**changes):
    """An .npz of 60 sequences of 6 time steps, 2 numbers each; a sequence's class is the sign of its first number."""
    x = numbers(60, 6, 2)
    arrays = {"x": x, "y": (x[:, 0, 0] > 0).astype(int)} | changes
    return npz(**{name: array for name, array in arrays.items() if array is not None})


def table(rows, header=None, delimiter=","):
    """A .csv of these rows."""
    lines = ([header] if header else []) + [delimiter.join(map(str, row)) for row in rows]
    return "\n".join(lines).encode()


def waves(count=80):
    """Two series over time: a year, and a wave with noise."""
    noise = numbers(count)
    return [(1900 + k, round(float(np.sin(k / 3) + 0.1 * noise[k]), 4)) for k in range(count)]


def changed(rows, row, column, cell):
    """Rows with another cell."""
    return [[cell if (r, c) == (row, column) else old for c, old in enumerate(each)] for r, each in enumerate(rows)]


class Trap:
    """Writes a file if it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def pickled(path):
    """An .npz with an array of Python objects."""
    file = io.BytesIO()
    np.savez(file, x=np.array([Trap(path)], object), y=np.zeros(1))
    return file.getvalue()


X, Y = numbers(60, 6, 2), (numbers(60) > 0).astype(int)
HOLED = X.copy()
HOLED[3, 5, 1] = np.nan
TABLES = {  # the .csv, and what refuses it
    "no number": (table(changed(waves(), 16, 1, "abc"), "year,wave"),
                  "row 18, column 2 (wave) is 'abc': expected a number"),
    "empty cell": (table(changed(waves(), 2, 0, "")), "row 3, column 1 is empty: expected a number"),
    "NaN": (table(changed(waves(), 5, 1, "nan")), "row 6, column 2 is 'nan': expected a finite number"),
    "infinite": (table(changed(waves(), 5, 1, "1e999")), "row 6, column 2 is '1e999': expected a finite number"),
    "text column": (table([("a", 1)] * 80), "row 1, column 1 is 'a': expected a number"),
    "short row": (table(waves()) + b"\n7", "row 81 has 1 columns: expected 2, as the rows before"),
    "too short": (table(waves(40)), "40 rows: expected at least 50"),
    "length": (table(waves(50)), "50 rows, 40 of them to train on: expected at least 60 of these for length=50, "
               "or a length up to 30"),
    "constant": (table([(k, 5) for k in range(80)], "time,level"),
                 "column level is 5 in all rows to train on: nothing to forecast"),
    "too large a number": (table(changed(waves(), 5, 1, "1e300")), "a number of size 1e+300: expected at most 1e+12"),
    "outlier": (table(changed(waves(), 79, 1, "1e9")), "column 2 has 1e+09, over 10,000 spreads of what is trained on "
                "away from its mean: expected numbers alike"),
    "wide": (table([range(1001)] * 80), "1,001 numbers at each step: expected at most 1,000"),
    "millions of columns": (b"1," * 2_000_000, "2,000,001 columns: expected at most 100,000"),
    "empty file": (b"", "an empty file: expected a .csv of numbers, a row for each time"),
    "binary": (b"\0" * 20, "binary content: expected text"),
    "not UTF-8": ("é;1\n".encode("latin-1") * 80, "it can't be read (UnicodeDecodeError: "),
    "header alone": (b"year,wave\n", "no row of numbers: expected a row for every step"),
}  # fmt: skip
ARRAYS = {  # the .npz, and what refuses it
    "no y": (sequences(y=None), "no array y: expected x (N, T, D), y (N,) or (N, K), lengths (N,), split"),
    "unknown array": (sequences(length=Y), "an array 'length': expected x (N, T, D), y"),
    "x of two axes": (sequences(x=X[:, :, 0]), "x of shape (60, 6): expected (N, T, D)"),
    "one step": (sequences(x=X[:, :1]), "x of shape (60, 1, 2): expected at least 2 time steps"),
    "few": (sequences(x=X[:40], y=Y[:40]), "40 sequences: expected at least 50"),
    "no inputs": (sequences(x=X[:, :, :0]), "0 numbers: expected 1 to 20,000,000"),
    "NaN": (sequences(x=HOLED), "x[3, 5, 1] is nan: expected finite numbers"),
    "NaN answer": (sequences(y=np.where(np.arange(60) == 7, np.inf, 1.0)), "y[7] is inf: expected finite numbers"),
    "unlike counts": (sequences(y=Y[:59]), "y of shape (59,): expected (N,) or (N, K) with N = 60 as in x"),
    "one class": (sequences(y=Y * 0), "y: the part to train on has one class alone, 0: expected several; shuffle"),
    "sorted classes": (sequences(y=np.sort(Y)), "y: the part that is held out has one class alone, 1: expected"),
    "unseen class": (sequences(y=np.where(np.arange(60) == 59, 9, Y)),
                     "y: class 9 is held out and never trained on: shuffle the rows, or say in split"),
    "many classes": (sequences(y=np.arange(60)), "y has 60 classes in 60 rows: expected fewer, or numbers of a"),
    "classes of two axes": (sequences(y=Y[:, None]), "y of shape (60, 1), int64: expected classes (N,), or numbers"),
    "one answer": (sequences(y=np.ones(60)), "y: all answers to train on are 1 in column 1: expected several"),
    "split": (sequences(split=np.arange(60)), "split[2] is 2: expected 0, to train on, or 1, held out"),
    "split of few": (sequences(split=np.arange(60) > 55), "split: 4 sequences held out: expected at least 10"),
    "complex": (sequences(x=X * 1j), "x: an array of complex128: expected real numbers"),
    "text": (sequences(y=np.array(["a"] * 60)), "y: an array of <U1: expected real numbers"),
    "no ZIP": (b"PK no", "it can't be read (BadZipFile: "),
    "empty file": (b"", "an empty file: expected an .npz with x (N, T, D) and y (N,) or (N, K)"),
}  # fmt: skip

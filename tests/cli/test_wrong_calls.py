"""Wrong calls of every command: exit code 2, one sentence, and nothing left on the disk."""

import json
import struct
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

MODELS = """
import sys
import torch

classifier = torch.nn.Linear(4, 3).eval()
classifier.bias.data.zero_()


def factory():
    return classifier


def none_made():
    return 3


def failing():
    raise FileNotFoundError("no weights")


def leaving():
    sys.exit(0)


def needy(path):
    return classifier


def two(x, y):
    return classifier(x)


def leaves(x):
    sys.exit(4)


def ends(x):
    raise EOFError("no more")


class Net(torch.nn.Module):
    def __init__(self, weights):
        super().__init__()
"""


def png(width, height):
    """Return a PNG picture that promises far more than it holds."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(b"\0" * 1000)),
            chunk(b"IEND", b""),
        )
    )


@pytest.fixture
def folder(folder):
    """The current folder, with all that the calls below name."""
    (folder / "nets.py").write_text(MODELS)
    (folder / "leaver.py").write_text("import sys\nsys.exit(3)\n")
    (folder / "raiser.py").write_text("class Own(Exception): pass\nraise Own('a\\nb')\n")
    np.save(folder / "whole.npy", np.array([0, 1]))
    np.save(folder / "digit.npy", np.zeros((1, 1, 28, 28), dtype=np.float32))
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2000000, 1924145), }"
    (folder / "vast.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n" + b"\0" * 64
    )
    (folder / "more.npy").write_bytes((folder / "vast.npy").read_bytes().replace(b"192", b"9" * 3))
    (folder / "text.npy").write_text("no numbers")
    (folder / "bomb").mkdir()
    (folder / "bomb" / "a.png").write_bytes(png(40_000, 40_000))
    (folder / "torn").mkdir()
    (folder / "torn" / "a.png").write_bytes(png(28, 28)[:50])
    (folder / "votes.csv").write_text("image,annotator,label\nnowhere:1,ada,2\n")
    (folder / "text.parquet").write_text("no table")
    strange = pa.table({"x": ["a"], "x0": ["b"]})
    strange = strange.replace_schema_metadata({"xhat": json.dumps({"shapes": {"x": [1], "x0": 3}})})
    pq.write_table(strange, folder / "strange.parquet")
    (folder / "file").touch()
    return folder


def listed(folder):
    """Return every file and folder below ``folder`` with its size, but for what Python keeps."""
    return {
        str(path.relative_to(folder)): path.stat().st_size if path.is_file() else None
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }


OPTIMIZE = "optimize --model nets:classifier --inputs x.npy --target 1"
SEARCH = "optimize --inputs x.npy --target 1 --model"
AUDIT = "audit --inputs digit.npy --target 3 --reference digits"
CALLS = {
    # what the command line itself refuses
    "fly": "No such command",
    "--fly": "No such option",
    "demo --fly": "No such option",
    "demo --seed x": "valid integer",
    "label fly": "No such command",
    "optimize": "Missing option",
    "label revoke": "Missing argument",
    "label import": "Missing argument",
    # optimize: the model
    f"{SEARCH} nets": "must be named package.module:attribute",
    f"{SEARCH} nets:()": "must be named package.module:attribute",
    f"{SEARCH} nowhere:classifier": "no module 'nowhere'",
    f"{SEARCH} nets:nothing": "no attribute 'nothing'",
    f"{SEARCH} nets:nothing()": "no attribute 'nothing()'",
    f"{SEARCH} leaver:net": "the module leaver ends the process when it is imported",
    f"{SEARCH} raiser:net": "raiser cannot be imported: Own: a b",
    f"{SEARCH} nets:factory": "a callable of one batch of inputs; if it makes the model, say nets:",
    f"{SEARCH} nets:two": "must be a callable of one batch of inputs.",
    f"{SEARCH} nets:none_made()": "must be a torch module or a function, not int",
    f"{SEARCH} nets:failing()": "nets:failing() fails: FileNotFoundError: no weights",
    f"{SEARCH} nets:leaving()": "nets:leaving() fails: SystemExit: 0",
    f"{SEARCH} nets:needy()": "nets:needy() needs arguments",
    f"{SEARCH} nets:Net()": "nets:Net() needs arguments",
    f"{SEARCH} nets:__name__()": "is no function; leave out the ()",
    f"{SEARCH} nets:Net": "is a class; name an instance",
    f"{SEARCH} nets:leaves": "ended by sys.exit(4)",
    # optimize: inputs, targets and numbers
    f"{OPTIMIZE} --inputs none.npy": "the inputs cannot be read",
    f"{OPTIMIZE} --inputs vast.npy": "the inputs cannot be read",
    f"{OPTIMIZE} --inputs more.npy": "the inputs cannot be read",
    f"{OPTIMIZE} --inputs text.npy": "the inputs cannot be read",
    f"{OPTIMIZE} --inputs bomb": "cannot be read as a picture",
    f"{OPTIMIZE} --inputs whole.npy": "must be floating point",
    f"{OPTIMIZE} --inputs digit.npy": "cannot take a start of shape",
    f"{OPTIMIZE} --target 7": "class index from 0 to 2",
    f"{OPTIMIZE} --target two": "is a name, but without a domain classes have none",
    f"{OPTIMIZE} --target none.npy": "the target cannot be read",
    f"{OPTIMIZE} --value 1": "give one of --target",
    f"{OPTIMIZE} --method magic": "method must be one of",
    f"{OPTIMIZE} --method xhat": "is called 'retrieval' now",
    f"{OPTIMIZE} --method retrieval": "needs to know what real inputs look like",
    f"{OPTIMIZE} --confidence 2": "confidence must",
    f"{OPTIMIZE} --max-steps 0": "step budget",
    f"{OPTIMIZE} --bounds 1,0": "low must be below high",
    f"{OPTIMIZE} --device warp": "device must be one",
    f"{OPTIMIZE} --out file": "cannot be written to",
    f"{OPTIMIZE} --out file/a/b": "cannot be written to",
    # audit
    "audit": "Missing option",
    "audit --inputs digit.npy": "an audit needs to know what is real",
    "audit --inputs none.npy --reference whole.npy": "cannot be read",
    "audit --inputs digit.npy --reference none.csv": "cannot be read",
    "audit --inputs digit.npy --reference digit.npy --labels none.npy": "cannot be read",
    "audit --inputs digit.npy --truth nets:nothing": "no attribute",
    "audit --inputs digit.npy --reference digit.npy --target 1 --value 2": "give one of --target",
    "audit --inputs none.npy --target 3 --reference digits": "cannot be read",
    "audit --inputs none.parquet --target 3 --reference digits": "cannot be read",
    "audit --inputs text.parquet --target 3 --reference digits": "cannot be read",
    "audit --inputs strange.parquet --target 3 --reference digits": "not what its metadata say",
    "audit --inputs vast.npy --target 3 --reference digits": "cannot be read",
    "audit --inputs bomb --target 3 --reference digits": "cannot be read as a picture",
    "audit --inputs torn --target 3 --reference digits": "cannot be read as a picture",
    f"{AUDIT} --labels whole.npy": "--labels goes with real samples of your own",
    "audit --inputs digit.npy --target 11 --reference digits": "a class from 0 to 9",
    f"{AUDIT} --alpha 2": "alpha must",
    f"{AUDIT} --out file/a": "cannot be written to",
    # self-test, and where judging went
    "self-test --half whole": "half must be one of",
    "self-test --n 0": None,
    "self-test --weights none": "cannot be read",
    "self-test shapes": "has no controls",
    "judge --samples digit.npy --targets 3": "is `xhat audit",
    # demo
    "demo --task chess": "task must be one of",
    "demo --task airfoil --starts 3": "--starts is for --task digits",
    "demo --task shapes --confidence 0": "--confidence is for --task digits",
    "demo --starts 0": "must lie between 1 and",
    "demo --confidence 0": "confidence must",
    "demo --method magic": "method must be one of",
    "demo --out file": "cannot be written to",
    # train
    "robustness": "Missing option",
    "robustness --model nets:net --inputs none.npy": "none.npy",
    "train": "say what to train on",
    "train chess": "task must be one of",
    "train digits --recipe magic": "recipe must be one of",
    "train digits --recipe plain+magic": None,
    "train digits --epochs 0": "epochs must",
    "train digits --limit 0": "limit must",
    "train digits --precision half": "precision must be one of",
    "train digits --device warp": "the device 'warp' cannot be used",
    "train digits --targets none.npy": "cannot be read",
    "train digits --targets whole.npy": None,
    "train digits --targets text.parquet": None,
    "train digits --latent 3": "--latent goes with --embedding",
    "train digits --recipe vae --report": "--report measures surrogates",
    "train digits --report --autoattack -1": "--autoattack must",
    "train digits --embedding magic": "embedding must be one of",
    "train digits --embedding beta-vae --latent 0": "latent must",
    "train digits --embedding beta-vae --beta -1": "beta must",
    "train digits --embedding line --beta 1": "beta",
    "train digits --embedding metric --report": "does not go with --embedding",
    "train shapes --recipe chess": "shape must be one of",
    "train shapes --epochs 0": "epochs must",
    "train shapes --report": "is for the task digits",
    "train shapes --out file/a": "cannot be written to",
    # study and tune
    "study soft-labels --seeds 5": "say `python -m studies soft-labels`",
    "study": "no part of the installed library",
    "tune latent": "say `python -m studies tune latent`",
    # info and explore
    "info --out file": "cannot be written to",
    "explore --no-open --searches 0": "--searches must",
    "explore --no-open --results none.parquet": "cannot be read",
    "explore --no-open --results text.parquet": "cannot be read",
    "explore --no-open --port 99999": "port must lie",
    "explore --no-open --host 192.0.2.1": "no address of this machine",
    # label
    "label progress": "there is no database",
    "label annotators": "there is no database",
    "label agreement": "there is no database",
    "label agreement --results a": "there is no database",
    "label pause": "there is no database",
    "label resume --name ada": "there is no database",
    "label revoke ada": "there is no database",
    "label export": "there is no database",
    "label export --db mysql://nowhere": "must be SQLite",
    "label export --db sqlite:///text.npy": None,
    "label simulate": "there is no database",
    "label simulate --images chess:test": None,
    "label simulate --images none.npy --people 0": None,
    "label import none": "none",
    "label import none.csv": "none.csv",
    "label import votes.csv": None,
    "label import votes.csv --images none.npy": "none.npy",
    "label import bomb --simulated": "a folder says all",
    "label import bomb": None,
    "label serve": "say what to ask about",
    "label serve --images none.npy": "none.npy",
    "label serve --images chess:test": None,
    "label serve --images digits:test --each 0": None,
    "label serve --images digits:test --golds 2": None,
    "label serve --images digits:test --purpose war": "purpose must be one of",
    "label serve --images digits:test --invite -1": "number of invitations",
    "label serve --images digits:test --port 99999": "port must lie",
    "label serve --db sqlite:///none/labels.sqlite --images digits:test": None,
}


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call_ends_with_2_and_one_sentence_and_leaves_nothing(refused, folder, call):
    before = listed(folder)
    told = refused(*call.split(" "))
    assert (CALLS[call] or "") in told
    assert "\n" not in told
    assert listed(folder) == before


def test_the_same_calls_put_right_are_taken(xhat, folder):
    for right in (OPTIMIZE, f"{SEARCH} nets:factory()"):
        code, _, err = xhat(*right.split(" "))
        assert (code, err) == (0, "")


def test_every_command_is_in_the_table(xhat):
    import typer.main

    from xhat.cli.app import app

    commands = typer.main.get_command(app).commands
    names = {*commands} | {f"label {name}" for name in commands["label"].commands}
    assert all(any(call.startswith(name) for call in CALLS) for name in names)

"""Tables as people have them: words, whole numbers, yes or no, columns that may not change."""

import functools
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_wine

import xhat
from xhat import Column, Domain
from xhat.domain import Schema, networks

SIZES = ["light", "medium", "heavy"]


@functools.cache
def frame():
    """Real wines, some of whose columns are cut into words, booleans and ordered words."""
    wine = load_wine(as_frame=True)
    found = wine.data[["alcohol", "malic_acid", "flavanoids", "proline"]].copy()
    found["proline"] = found["proline"].astype("int64")
    hues = pd.cut(wine.data["hue"], 3, labels=["brick", "ruby", "purple"])
    found["hue"] = hues.astype(str)
    found["body"] = pd.Categorical(
        pd.qcut(wine.data["color_intensity"], 3, labels=SIZES).astype(str), SIZES, ordered=True
    )
    found["ashy"] = wine.data["ash"] > wine.data["ash"].median()
    return found, wine.target.to_numpy()


@functools.cache
def domain():
    table, cultivar = frame()
    found = Domain(table, cultivar, fixed=["ashy"], columns={"body": Column(change="up")})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(networks._STEPS, "guard", 60)  # enough for three cultivars
        found.network("robust")
    return found


@functools.cache
def model():
    """A network of the encoded rows, trained on the half for searches."""
    known = domain()
    mine = known.halves[0]
    mean, spread = known.x.mean(dim=0), known.x.std(dim=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Linear(known.shape[0], 16), torch.nn.Tanh(), torch.nn.Linear(16, 3)
        )
    step = torch.optim.Adam(net.parameters(), 2e-2)
    for _ in range(150):
        step.zero_grad()
        out = net((known.x[mine] - mean) / spread)
        torch.nn.functional.cross_entropy(out, known.labels[mine]).backward()
        step.step()
    net.eval().requires_grad_(False)
    return lambda x: net((x - mean) / spread)


def test_the_kind_of_every_column_is_seen():
    kinds = {column.name: column.kind for column in domain().schema.columns}
    assert kinds == {
        "alcohol": "number", "malic_acid": "number", "flavanoids": "number", "proline": "whole",
        "hue": "category", "body": "ordered", "ashy": "yes/no",
    }  # fmt: skip
    assert domain().names[4:] == ("hue=brick", "hue=purple", "hue=ruby", "body", "ashy")
    assert repr(domain()) == "Domain(178 samples, table of 7 columns, 3 classes)"


def test_rows_come_back_as_they_were():
    table, _ = frame()
    pd.testing.assert_frame_equal(domain().decode(domain().x), table)
    turned = table[list(reversed(table.columns))]
    assert torch.equal(domain().encode(turned), domain().x)


@pytest.mark.parametrize("library", ["pyarrow", "polars"])
def test_other_frames_are_read_and_made(library):
    pytest.importorskip(library)
    import narwhals as nw

    table, cultivar = frame()
    plain = table.assign(body=table["body"].astype(str))
    native = nw.from_dict(plain.to_dict("list"), backend=library).to_native()
    other = Domain(native, cultivar, columns={"body": Column("ordered", categories=SIZES)})
    assert torch.equal(other.x, domain().x)
    again = other.decode(other.x)
    assert type(again) is type(native)
    assert nw.from_native(again).to_dict(as_series=False) == plain.to_dict("list")


@pytest.mark.parametrize("how", ["flow", "proximal", "plain", "pgd", "nearest", "label-free"])
def test_every_method_ends_in_rows_of_the_table(how):
    table, _ = frame()
    rows = table.iloc[[0, 1, 70, 140, 141]].reset_index(drop=True)
    target = (model()(domain().encode(rows)).argmax(dim=1) + 1) % 3
    options = {} if how == "nearest" else {"max_steps": 10 if "f" in how[:1] + how[-4:] else 80}
    found = xhat.optimize(model(), rows, target, domain=domain(), method=how, **options)
    after = found.frame()
    assert torch.equal(domain().encode(after), found.x)  # valid rows, to the bit
    assert list(after.dtypes) == list(table.dtypes)
    assert after["ashy"].equals(rows["ashy"])
    assert (after["body"].cat.codes >= rows["body"].cat.codes).all()
    with torch.no_grad():
        sure = model()(found.x).softmax(dim=1).gather(1, target[:, None])[:, 0]
    assert torch.allclose(sure, found.confidence, atol=1e-5)
    assert bool(found.feasible.all())
    if how in ("flow", "plain"):
        assert int(found.reached.sum()) >= 3


def test_found_is_told_in_the_columns_of_the_user(tmp_path):
    table, _ = frame()
    rows = table.iloc[[0, 70]]
    found = xhat.optimize(model(), rows, 2, domain=domain())
    told = found.to_pandas()
    assert "x" not in told
    assert told["x.hue"].tolist() == found.frame()["hue"].tolist()
    assert told["x0.proline"].tolist() == rows["proline"].tolist()
    moved = next(text for text in told["changed"] if text)
    assert " → " in moved
    assert "x.hue" not in found._repr_html_()
    found.save(tmp_path / "found.parquet")
    assert pd.read_parquet(tmp_path / "found.parquet")["x.hue"].tolist() == told["x.hue"].tolist()
    assert torch.equal(xhat.Judged.load(tmp_path / "found.parquet").x, found.x)
    page = found.report(tmp_path / "page")
    assert "Changed:" in page.read_text("utf-8")


def test_judge_self_test_and_file_know_the_columns(tmp_path):
    tested = domain().self_test(n=40)
    real = tested.rows[0]
    assert sum(real.counts.values()) == real.n == 40
    domain().save(tmp_path / "wine.safetensors")
    again = Domain.load(tmp_path / "wine.safetensors")
    assert again.schema == domain().schema
    assert torch.equal(again.free, domain().free)
    table, _ = frame()
    assert torch.equal(again.encode(table), domain().x)
    assert again.space(domain().x[:3]).violation(domain().x[:3]).max() == 0


def test_rows_that_no_frame_holds_are_infeasible_in_an_audit():
    x = domain().x[:3].clone()
    x[1, 4:7] = torch.tensor([0.4, 0.3, 0.3])
    checked = xhat.audit(None, x, domain=domain())
    outcomes = [str(outcome) for outcome in checked.verdicts.outcomes]
    assert outcomes[1] == "infeasible"
    assert outcomes[0] != "infeasible"
    with pytest.raises(ValueError, match="row 1 of the starts: 'hue' must be a single 1 among 3"):
        xhat.optimize(model(), x, 2, domain=domain())


def test_what_is_said_of_columns_counts():
    table = pd.DataFrame(
        {"code": [1, 2, 3] * 10, "age": np.arange(30.0), "z": np.linspace(0, 1, 30)}
    )
    said = {"code": Column("category"), "age": Column(limits=(0, 99), change="up", unit="years")}
    found = Domain(table, np.arange(30) % 2, columns=said)
    assert found.names == ("code=1", "code=2", "code=3", "age", "z")
    assert found.decode(found.x)["code"].tolist() == table["code"].tolist()
    assert (float(found.low[0, 3]), float(found.high[0, 3])) == (0, 99)
    assert found.units == ("", "", "", "years", "")
    space = found.space(found.x[5:6])
    moved = space.decode(space.project(space.begin(found.x[5:6]) - 0.4))
    assert float(moved[0, 3]) == 5  # it may only rise
    assert moved[0, :3].tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match="row 0 of the starts: 'age' must be from 0 to 99"):
        found.check_inputs("the starts", table.assign(age=120.0))
    counts = Domain(
        np.arange(30.0).reshape(15, 2), names=["a", "b"], columns={"a": Column("whole")}
    )
    assert [column.kind for column in counts.schema.columns] == ["whole", "number"]


def test_missing_categories_and_columns_are_told():
    table, _ = frame()
    starts = table.iloc[:3]
    cases = [
        (starts.assign(hue=["ruby", "green", "ruby"]), "row 1 of the starts has 'green' in the "
         "column 'hue', which is none of its categories: brick, purple, ruby"),
        (starts.drop(columns="hue"), "the frame lacks hue"),
        (starts.assign(proline=700.5), "row 0 of the starts: 'proline' must be a whole number"),
        (starts.assign(alcohol=np.nan), "the column 'alcohol' of the starts has 3 missing values"),
        (starts.assign(alcohol="much"), "'alcohol' of the starts must be numbers, but row 0 has"),
        (starts.assign(ashy="yes"), "'ashy' of the starts must be numbers"),
    ]  # fmt: skip
    for wrong, said in cases:
        with pytest.raises((ValueError, TypeError), match=said.replace("(", r"\(")):
            domain().check_inputs("the starts", wrong)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda t: Domain(t.assign(id=[f"w{i}" for i in range(len(t))])), "'id' has 178 different"),
        (lambda t: Domain(t.assign(day=pd.Timestamp("2020-01-01"))), "'day' holds Datetime"),
        (lambda t: Domain(t, columns={"town": Column()}), "columns names 'town', which is no col"),
        (lambda t: Domain(t, columns={"hue": "category"}), "such as xhat.Column"),
        (lambda t: Domain(t, columns={"hue": Column("whole")}), "'hue' is said to be a whole"),
        (lambda t: Domain(t, columns={"hue": Column("ordered")}), "its order is not known"),
        (lambda t: Domain(t, fixed=["hue=ruby"]), "fixed names 'hue=ruby', which is no column"),
        (lambda t: Domain(t, kind="signal"), "a frame is a table"),
        (lambda t: Domain(t.assign(proline=np.where(t.index < 9, np.nan, 3))), "9 missing values"),
        (lambda t: Domain(t.to_numpy()[:, :4].astype(float), columns={"a": Column()}), "names="),
        (lambda t: Column("colour"), "the kind of a column must be one of"),
        (lambda t: Column("category", change="up"), "a category has no up"),
        (lambda t: Column(limits=(3, 1)), "low < high"),
        (lambda t: Column("number", change="sideways"), "change must be one of"),
        (
            lambda t: Domain(t, columns={"proline": Column(limits=(0.5, 9000))}),
            "must be whole numbers",
        ),
        (
            lambda t: Domain(t, columns={"proline": Column(limits=(0, 900))}),
            "must be from 0 to 900",
        ),
    ],
)
def test_what_cannot_be_a_table_is_refused_in_one_sentence(made, said):
    with pytest.raises((ValueError, TypeError), match=r"\.$") as told:
        made(frame()[0])
    assert said in str(told.value)


def test_a_row_is_reached_in_one_step_and_stays():
    schema, x = Schema.read(frame()[0])
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    moved = schema.row(x + noise, x)
    assert torch.equal(schema.row(moved, x), moved)
    schema.check(moved, "it")
    assert torch.equal(schema.row(x, x), x)
    assert torch.allclose(schema.row(x.double() + 0.2).float(), schema.row(x + 0.2))


def test_the_gradient_reaches_categories():
    start = domain().x[:4]
    z = domain().space(start).begin(start).requires_grad_(True)
    domain().space(start).decode(z)[:, 4:7].sum().backward()
    assert (z.grad[:, 4:7] != 0).all()


def test_words_that_never_vary_or_never_came_are_no_trouble():
    table, cultivar = frame()
    hues = pd.Categorical(table["hue"], ["brick", "ruby", "purple", "white"])

    def reads_hue(x):
        brick, ruby, purple, strong = x[:, 2], x[:, 3], x[:, 4], x[:, 0] - 13
        return 4 * torch.stack((ruby + strong, ruby + purple - strong, 2 * brick), dim=1)

    some = Domain(table[["alcohol", "flavanoids"]].assign(hue=hues, land="here"), cultivar)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(networks._STEPS, "guard", 30)
        start = some.decode(some.x[[0, 100]]).assign(
            hue=pd.Categorical(["white"] * 2, some.schema.columns[2].categories)
        )
        found = xhat.optimize(reads_hue, start, 1, domain=some, method="flow")
    assert torch.equal(some.encode(found.frame()), found.x)
    assert found.frame()["land"].tolist() == ["here", "here"]


def test_constraints_hold_of_rows():
    table, _ = frame()
    light = xhat.Inequality(lambda x: x[:, 0] - 13.0)
    rows = table.iloc[[0, 1, 2]]
    for how in ("flow", "proximal"):
        found = xhat.optimize(
            model(), rows, 1, domain=domain(), constraints=[light], method=how, confidence=0.6
        )
        assert bool(found.feasible.all())
        assert bool((found.x[:, 0] <= 13.0 + 1e-4).all())
        assert torch.equal(domain().encode(found.frame()), found.x)


def test_a_table_of_numbers_alone_stays_as_it_was():
    wine = load_wine()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = Domain(wine.data, wine.target)
        named = Domain(wine.data, wine.target, names=wine.feature_names)
    assert plain.schema is None
    assert not named.schema.discrete
    assert plain.decode(plain.x).shape == (178, 13)
    assert type(plain.space(plain.x[:2])) is type(named.space(plain.x[:2]))

"""The ranges of pyproject.toml are those that are tested: the oldest, and the newest."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
# what only checks and builds, and what only brings models or clusters of others, is used as pinned
NOT_OLDEST = ("dask", "dev", "docs", "jax", "onnx", "ray")


OURS = ("xhat", "xhat-zoo")


def project(folder="."):
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]


def pinned(name):
    lines = (ROOT / name).read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(package): Version(version) for package, version in pairs}


def required(without=()):
    lines = []
    for told in (project(), project("zoo")):
        groups = {"": told["dependencies"], **told["optional-dependencies"]}
        lines += [line for name, group in groups.items() if name not in without for line in group]
    found = [Requirement(line) for line in dict.fromkeys(lines)]
    return [each for each in found if each.name not in OURS]


def floor(requirement):
    (bound,) = requirement.specifier
    assert bound.operator == ">="
    return Version(bound.version)


@pytest.mark.parametrize("requirement", required(NOT_OLDEST), ids=str)
def test_every_lower_bound_is_the_version_that_is_tested(requirement):
    assert floor(requirement) == pinned("constraints-oldest.txt")[requirement.name]


@pytest.mark.parametrize("requirement", required(), ids=str)
def test_the_pinned_version_is_allowed(requirement):
    assert pinned("constraints.txt")[canonicalize_name(requirement.name)] in requirement.specifier


def test_all_extras_for_use_are_among_those_that_are_tested():
    told = project()
    tested = (ROOT / "Makefile").read_text().split("--constraint constraints-oldest.txt")[1]
    extras, of_zoo = (part.split("]")[0].split(",") for part in tested.split("[")[1:3])
    assert sorted(extras) == sorted(set(told["optional-dependencies"]) - set(NOT_OLDEST))
    assert sorted(of_zoo) == sorted(project("zoo")["optional-dependencies"])


def test_the_two_distributions_have_one_version():
    assert project()["version"] == project("zoo")["version"]
    assert f"xhat[report,scale]=={project()['version']}" in project("zoo")["dependencies"]


def test_little_is_required():
    names = [Requirement(line).name for line in project()["dependencies"]]
    assert names == ["numpy", "rich", "safetensors", "scipy", "torch", "typer"]

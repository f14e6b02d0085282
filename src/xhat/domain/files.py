"""A domain in one file: its samples, what its judge learnt, and the networks that were trained.

The file is safetensors, with a description as JSON in its metadata; a digest over both tells when
it is damaged.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor

from xhat.core import Layout, UnreadableFileError, atomic_write
from xhat.domain.networks import again
from xhat.domain.schema import Schema
from xhat.domain.tested import SelfTest

if TYPE_CHECKING:
    from xhat.domain.domain import Domain

__all__ = ["VERSION", "load", "save"]

VERSION = 3
"""Of the file's layout; others are refused."""


def save(domain: "Domain", path: str | Path) -> None:
    """Write a domain, as ``Domain.save`` says."""
    if domain.given:
        raise ValueError(
            f"this domain was given its {' and '.join(sorted(domain.given))}, which a file cannot "
            f"make again; make the domain anew where it is needed."
        )
    tensors = {"x": domain.x, "low": domain.low, "high": domain.high, "free": domain.free}
    for name in ("labels", "values"):
        if (known := getattr(domain, name)) is not None:
            tensors[name] = known
    tensors |= {f"judge.{name}": value for name, value in (domain.judge_state or {}).items()}
    trained = {name: model for name, model in domain.trained().items() if _kept(name, model)}
    for part, model in trained.items():
        tensors |= {f"network.{part}.{key}": value for key, value in model.state_dict().items()}
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    about = {
        "version": VERSION,
        **{name: getattr(domain, name) for name in ("kind", "name", "seed")},
        "declared": domain.declared.tolist(),
        "layout": None
        if domain.layout is None
        else {"names": domain.layout.names, "shapes": domain.layout.shapes},
        "schema": None if domain.schema is None else domain.schema.to_dict(),
        **{name: getattr(domain, name) for name in ("classes", "names", "units")},
        "self_tested": None if domain.self_tested is None else domain.self_tested.to_dict(),
        "networks": {part: _arguments(part, model) for part, model in trained.items()},
    }
    text = json.dumps(about)
    with atomic_write(path) as temporary:
        metadata = {"xhat.domain": text, "digest": _digest(text, tensors)}
        temporary.write_bytes(as_bytes(tensors, metadata))


def load(path: str | Path) -> "Domain":
    """Read a domain, as ``Domain.load`` says."""
    from xhat.domain.domain import Domain

    about, tensors = _read(Path(path))
    domain = Domain(
        tensors["x"],
        kind=about["kind"],
        names=about["names"],
        units=about["units"],
        name=about["name"],
        seed=about["seed"],
        fixed=~tensors["free"],
    )
    domain.low, domain.high = tensors["low"], tensors["high"]
    domain.declared = torch.tensor(about["declared"]).reshape_as(domain.declared)
    if (layout := about.get("layout")) is not None:
        domain.layout = Layout(tuple(layout["names"]), tuple(map(tuple, layout["shapes"])))
    if about.get("schema") is not None:
        domain.schema = Schema.from_dict(about["schema"])
    domain.labels, domain.values = tensors.get("labels"), tensors.get("values")
    domain.classes = tuple(about["classes"])
    if about.get("self_tested") is not None:
        domain.self_tested = SelfTest.from_dict(about["self_tested"])
    state = _part(tensors, "judge")
    domain.judge_state = state or None
    for part, arguments in about["networks"].items():
        try:
            model = again(part, domain.frame, max(2, len(domain.classes)), arguments)
            model.load_state_dict(_part(tensors, f"network.{part}"))
        except (RuntimeError, TypeError) as error:  # other layers, or other arguments
            raise UnreadableFileError(
                f"the network {part!r} in {path} has other layers than this xhat gives it; make "
                f"the domain anew from its samples."
            ) from error
        domain.keep(part, model.eval().requires_grad_(False))
    return domain


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    except (OSError, SafetensorError) as error:
        raise UnreadableFileError(
            f"{path} cannot be read as a domain: it is missing, truncated or another format."
        ) from error
    text = metadata.get("xhat.domain")
    if text is None:
        raise UnreadableFileError(f"{path} is not a file that Domain.save has written.")
    about = json.loads(text)
    if about["version"] != VERSION:
        raise UnreadableFileError(
            f"{path} is a domain of version {about['version']}, but this xhat reads version "
            f"{VERSION}; make it anew from its samples."
        )
    if metadata.get("digest") != _digest(text, tensors):
        raise UnreadableFileError(f"{path} is damaged; make it anew from its samples.")
    return about, tensors


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    lead = f"{name}."
    return {key.removeprefix(lead): value for key, value in tensors.items() if key.startswith(lead)}


def _kept(part: str, model: Any) -> bool:
    """Return whether a file keeps it: a prior in closed form is made again at once."""
    return part != "prior" or model.name != "kernel"


def _arguments(part: str, model: Any) -> dict[str, Any]:
    """Return what an architecture is told besides the domain."""
    if part == "prior":
        return {"classes": model.classes, "quantities": model.quantities}
    if part == "autoencoder":
        return {"latent": model.net.latent}
    if part == "denoiser":
        return {"mean": model.net.mean, "spread": model.net.spread}
    architecture = getattr(model, "architecture", None)  # of a guard of images
    return {} if architecture is None else {"architecture": architecture}


def _digest(text: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name].contiguous().reshape(-1)
        digest.update(f"{name} {tuple(tensors[name].shape)} {value.dtype}".encode())
        digest.update(value.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

"""From every test digit to another: flow on 10,000 pairs, and what a denoiser alone does.

    python benchmarks/digits_pairs.py [--pairs 10000] [--some 1000]

Each of MNIST's test images, turned as the task turns them, is searched to a random other digit by
the default settings of ``flow``, with the shipped prior; 300 of them were looked at when settings
were chosen, and begin no pair here. The other methods get the first thousand of the pairs. What is
genuine is said by the shipped judge, and, as a check of that judge, by two readers of other kinds
that nothing else uses: a support vector machine and a network of attention over patches, both
trained on the judges' images. Real digits of the wanted classes are the control of both. The
denoiser is the shipped one of the diffusion: told the digit (``edited``), or told nothing
(``label-free``). Starts that are asked for what they are already stand in a row of their own.
"""

import argparse
import time
from typing import Any

import torch
import torch.nn.functional as F
from record import provenance, table, write
from sklearn.decomposition import PCA
from sklearn.svm import SVC
from torch import Tensor, nn

from xhat.core import generator
from xhat.domain import Domain
from xhat.learning import predict
from xhat.methods import Edited, Flow, LabelFree, Method, Options, method
from xhat.metrics import coverage, frechet_distance
from xhat.objectives.goals import Class
from xhat.priors import DenoiserPrior, coordinates_of
from xhat_zoo.digits import networks, split
from xhat_zoo.digits.domain import digits_domain
from xhat_zoo.digits.judging import digits_judge

SEED = 11
LOOKED_AT = 300  # test images that settings were chosen on
EPOCHS, BATCH, RATE = 6, 128, 1e-3
FEATURES = 40


class Patches(nn.Module):
    """Attention over patches of 4 x 4 pixels."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.into = nn.Conv2d(1, width, 4, stride=4)
        self.place = nn.Parameter(0.02 * torch.randn(1, 49, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.out = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        tokens = self.into(x).flatten(2).transpose(1, 2) + self.place
        return self.out(self.layers(tokens).mean(dim=1))


class Readers:
    """Two classifiers of kinds that neither searches nor judges use."""

    def __init__(self) -> None:
        known, test = split("judge_train"), split("test")
        self.pca = PCA(50, random_state=SEED).fit(known.images.flatten(1))
        self.machine = SVC(C=5.0).fit(self.pca.transform(known.images.flatten(1)), known.labels)
        torch.manual_seed(SEED)
        self.net = Patches()
        steps = EPOCHS * (len(known) // BATCH)
        step = torch.optim.AdamW(self.net.parameters(), RATE)
        rate = torch.optim.lr_scheduler.OneCycleLR(step, 3 * RATE, total_steps=steps)
        for rows in torch.randint(len(known), (steps, BATCH)):
            step.zero_grad()
            F.cross_entropy(self.net(known.images[rows]), known.labels[rows]).backward()
            step.step()
            rate.step()
        self.net.eval().requires_grad_(False)
        each = self.seen(test.images)
        self.right = [float((read == test.labels).float().mean()) for read in each]

    def seen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the digit that each of the two sees."""
        machine = torch.from_numpy(self.machine.predict(self.pca.transform(x.flatten(1))))
        return machine, predict(self.net, x).argmax(dim=1)

    def share(self, x: Tensor, target: Tensor) -> float:
        """Return the share in which both see the target."""
        one, other = self.seen(x)
        return float(((one == target) & (other == target)).float().mean())


class Sheet:
    """Starts, targets, and what is said of any results for them."""

    def __init__(self, pairs: int) -> None:
        test = split("test")
        unseen = torch.randperm(len(test), generator=generator(7, "flow-dev"))[LOOKED_AT:]
        draws = generator(SEED, "pairs")
        rows = unseen[torch.randperm(len(unseen), generator=draws)]
        rows = torch.cat((rows, rows))[:pairs]
        self.x0, self.labels = test.images[rows], test.labels[rows]
        self.target = (self.labels + torch.randint(1, 10, (pairs,), generator=draws)) % 10
        pick = [(test.labels == k).nonzero()[:, 0] for k in range(10)]

        def real() -> Tensor:
            return test.images[
                torch.stack(
                    [
                        pick[k][torch.randint(len(pick[k]), (1,), generator=draws)[0]]
                        for k in self.target.tolist()
                    ]
                )
            ]

        self.sample, rest = real(), real()
        known = split("surrogate_train")
        self.known = known.images, known.labels
        coordinates = coordinates_of(known.images)
        _, _, ways = torch.pca_lowrank(coordinates.into(known.images[:5_000]).flatten(1), FEATURES)
        self.features = lambda x: (coordinates.into(x).flatten(1) @ ways).double()
        self.reference = self.features(rest)
        self.judge, self.readers = digits_judge(), Readers()
        self.least = torch.cat(
            [self._least(part) for part in torch.arange(pairs).split(1_000)]
        )  # of the nearest known sample of the target

    def _least(self, rows: Tensor) -> Tensor:
        far = torch.cdist(self.x0[rows].flatten(1), self.known[0].flatten(1))
        far[self.target[rows, None] != self.known[1][None]] = torch.inf
        return far.amin(dim=1)

    def of(self, name: str, x: Tensor, seconds: float | None = None) -> dict[str, Any]:
        """Return what is said of results for the first pairs."""
        n, target = len(x), self.target[: len(x)]
        moved = (x - self.x0[:n]).flatten(1).norm(dim=1) / self.least[:n]
        found, real = self.features(x), self.features(self.sample[:n])
        reference = self.reference[:n]
        counts = self.judge.judge(x, target).counts()
        return {
            "method": name,
            "n": n,
            "genuine": next(v for k, v in counts.items() if str(k) == "genuine") / n,
            "outcomes": {str(k): v for k, v in counts.items() if v},
            "read": self.readers.share(x, target),
            "moved": float(moved.median()),
            "nearer": float((moved < 1).float().mean()),
            "coverage": coverage(found, reference).coverage / coverage(real, reference).coverage,
            "frechet": frechet_distance(found, reference) / frechet_distance(real, reference),
            "ms": None if seconds is None else 1e3 * seconds / n,
        }


def measured(pairs: int, some: int) -> dict[str, Any]:
    """Return all rows."""
    sheet, model = Sheet(pairs), networks.surrogate("plain")
    domain, (x, labels) = digits_domain(), split_of_search()
    shipped, robust = networks.denoiser(), domain.network("robust")

    def brought(prior: DenoiserPrior) -> Domain:
        given = {"prior": prior, "robust": robust}
        return Domain(x, labels, judge=sheet.judge, networks=given)

    told = brought(DenoiserPrior(shipped, x, labels))
    untold = brought(DenoiserPrior(lambda x, sigma: shipped(x, sigma, None), x))
    asked: list[tuple[str, Method, Domain, int]] = [
        ("flow", Flow(), domain, pairs),
        ("nearest", method("nearest"), domain, some),
        ("retrieval", method("retrieval"), domain, some),
        ("edited, the prior", Edited(), domain, some),
        ("edited, the denoiser", Edited(), told, some),
        ("edited, the denoiser, best of 4", Edited(tries=4), told, some),
        ("edited, the denoiser, told nothing", Edited(), untold, some),
        ("label-free, the denoiser, told nothing", LabelFree(), untold, some),
    ]
    rows = [sheet.of("real digits", sheet.sample)]
    for name, how, where, n in asked:
        how.prepare(where)
        began = time.process_time()
        found = how.search(
            model, Class(sheet.target[:n]), sheet.x0[:n], where, options=Options(seed=SEED)
        )
        rows.append(sheet.of(name, found.x, time.process_time() - began))
        print(rows[-1], flush=True)
    own = Flow().search(model, Class(sheet.labels[:some]), sheet.x0[:some], domain)
    far = (own.x - own.x0).flatten(1).norm(dim=1) / sheet.least[:some]
    return {
        "rows": rows,
        "readers": sheet.readers.right,
        "diagonal": {
            "n": some,
            "stayed": float((far == 0).float().mean()),
            "moved": float(far.mean()),
            "of_others": float(far.mean()) / rows[1]["moved"],
        },
    }


def split_of_search() -> tuple[Tensor, Tensor]:
    """Return what searches know: images and labels."""
    known = split("surrogate_train")
    return known.images, known.labels


def text(found: dict[str, Any]) -> str:
    """Return the tables."""
    head = (
        "method", "pairs", "genuine", "read by both readers", "moved / nearest", "nearer",
        "coverage", "Fréchet", "ms",
    )  # fmt: skip
    rows = [
        (
            row["method"], row["n"], f"{row['genuine']:.3f}", f"{row['read']:.3f}",
            *(f"{row[key]:.2f}" for key in ("moved", "nearer", "coverage", "frechet")),
            "" if row["ms"] is None else f"{row['ms']:.0f}",
        )
        for row in found["rows"]
    ]  # fmt: skip
    machine, net = found["readers"]
    own = found["diagonal"]
    return (
        f"Rotated MNIST. Readers that nothing else uses: a support vector machine, right on "
        f"{machine:.1%} of the test digits, and attention over patches, {net:.1%}. Coverage and "
        f"Fréchet distance over those of as many real digits; processor time of one thread, not "
        f"judged.\n\n{table(head, rows)}\n"
        f"Asked for the digit that they are, {own['stayed']:.1%} of {own['n']} starts stay as they "
        f"are; the mean moves {own['of_others']:.3f} of what others move.\n"
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--some", type=int, default=1_000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = measured(given.pairs, given.some)
    where = provenance(SEED, ("torch", "scikit-learn", "xhat"))
    write("digits_pairs", {"provenance": where} | found, text(found))


if __name__ == "__main__":
    main()

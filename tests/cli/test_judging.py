import torch

from xhat.cli.judging import judge_samples, write_judged
from xhat.core import generator


def test_another_domain_is_judged_with_a_jury_where_there_are_labels(tmp_path):
    labels = torch.arange(600) % 2
    real = torch.randn(600, 3, generator=generator(0)) + 6 * labels[:, None]
    found = judge_samples(
        torch.tensor([[0.0, 0.1, 0.2], [6.0, 6.1, 5.8], [6.1, 6.0, 5.9]]),
        torch.tensor([0, 1, 0]),
        reference=real,
        labels=labels,
    )
    assert [str(o) for o in found.verdicts.outcomes] == ["genuine", "genuine", "mistaken"]
    assert write_judged(found, tmp_path).exists()

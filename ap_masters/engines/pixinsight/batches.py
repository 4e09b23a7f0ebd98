"""Which jobs share a launch: starting PixInsight is dear, and jobs that use each other's masters belong together."""

from collections.abc import Sequence

from ap_masters.model import Job


def batches(jobs: Sequence[Job], count: int) -> list[list[Job]]:
    """Return at most ``count`` batches of about the same work, none empty, each in the jobs' order.

    Jobs that wait for each other's masters stay in one batch.
    """
    whole = _families(jobs)
    sizes = [0] * max(1, min(count, len(whole)))
    shares: list[set[str]] = [set() for _ in sizes]
    for family in sorted(whole, key=lambda family: -_work(family)):
        smallest = sizes.index(min(sizes))
        sizes[smallest] += _work(family)
        shares[smallest] |= {job.id for job in family}
    return [batch for share in shares if (batch := [job for job in jobs if job.id in share])]


def _work(family: Sequence[Job]) -> int:
    return sum(job.samples for job in family)


def _families(jobs: Sequence[Job]) -> list[list[Job]]:
    """Return the jobs in groups that share no master with one another."""
    families: list[list[Job]] = []
    for job in jobs:
        kin = [f for f in families if any(other.id in job.waits_for or job.id in other.waits_for for other in f)]
        families = [f for f in families if f not in kin]
        families.append([*(other for f in kin for other in f), job])
    return families

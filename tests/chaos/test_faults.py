"""The short form of `make chaos`, and the judge's own eyes."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from benchmarks.chaos.__main__ import servers
from benchmarks.chaos.plan import carry_out, full, short
from benchmarks.chaos.processes import children
from benchmarks.chaos.row import HEADER, Row

SEED = 46  # freezes a worker, kills Redis, freezes Redis: what starts no further process that has to import torch


def test_faults_cost_nothing_and_the_control_is_red() -> None:
    before = set(children(os.getpid()))
    faults = short(SEED)
    name, binary = next(iter(servers().items()))
    print(f"seed {SEED}, over {name}")
    for fault, row in zip(faults, carry_out(faults, binary), strict=True):
        assert row.holds != fault.control, row
        assert row.faults > 0 and row.jobs > 0, row
    assert set(children(os.getpid())) <= before, "a process was left behind"


@pytest.mark.parametrize("harm", [{"lost": 1}, {"doubled": 1}, {"wrong": 1}, {"broken": ["late"]}, {"runs": 0}])
def test_a_row_with_any_harm_is_red(harm: dict[str, object]) -> None:
    good = Row("F1", "a fault", runs=2, jobs=2, faults=2, recoveries=[1.0, 3.0])
    bad = replace(good, **harm)  # type: ignore[arg-type]
    assert good.holds and not bad.holds
    assert (good.cells()[-1], bad.cells()[-1]) == ("holds", "RED")
    assert (good.cells(control=True)[-1], bad.cells(control=True)[-1]) == ("NOT RED", "red, as it must be")
    assert good.cells()[-3:-1] == ["2.0", "3.0"] and len(good.cells()) == len(HEADER)


def test_the_full_form_has_every_fault_and_control() -> None:
    expected = {f"F{number}" for number in range(1, 16)} | {"N1", "N2", "N3"}
    assert {fault.id for fault in full(0, 2)} == expected

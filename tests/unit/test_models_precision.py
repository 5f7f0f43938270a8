"""Which number format is chosen."""

import sys

import pytest
import torch

from pdray.errors import UsageError
from pdray.models import precision
from pdray.models.precision import bf16_gain, choose, choose_device, cpu_flags


def test_a_precision_asked_for_is_taken():
    choice = choose("cpu", "bf16")
    assert choice.dtype is torch.bfloat16
    assert choice.why == "asked for"


def test_an_unknown_precision_is_wrong_usage_that_names_the_known_ones():
    with pytest.raises(UsageError, match="auto, fp32, bf16, fp16, int8, nf4"):
        choose("cpu", "int4")


def test_auto_on_a_cpu_follows_its_instructions():
    choice = choose("cpu")
    flags = cpu_flags()
    if "amx_bf16" in flags:
        assert choice.precision == "bf16"
        assert "AMX" in choice.why
    elif not {"avx512_bf16", "bf16"} & flags:
        assert choice.precision == "fp32"
    else:
        assert "times as fast" in choice.why


def test_the_probe_gives_a_ratio():
    assert 0.01 < bf16_gain() < 100


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_asked_for_and_not_there_is_said():
    assert choose_device("auto") == "cpu"
    with pytest.raises(UsageError, match="cuda"):
        choose_device("cuda:0")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_auto_on_a_gpu_takes_bf16_where_it_computes_it():
    choice = choose("auto")
    assert (choice.precision == "bf16") == torch.cuda.is_bf16_supported(including_emulation=False)


def test_nf4_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    assert choose("cpu", "nf4").by_library
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UsageError, match=r"pip install 'pdray\[nf4\]'"):
        choose("cpu", "nf4")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_int8_is_taken_where_the_cpu_has_the_instructions_and_refused_where_not(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"avx512_vnni", "avx512_bf16"}))
    assert choose("auto", "int8").dtype is torch.bfloat16
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"avx_vnni"}))
    assert choose("cpu", "int8").dtype is torch.float32
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"avx2"}))
    with pytest.raises(UsageError, match="VNNI"):
        choose("cpu", "int8")

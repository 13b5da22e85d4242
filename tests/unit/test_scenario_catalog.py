"""The catalogue of GPU cards and adapters."""

import tomllib
from importlib.resources import files

import pytest

from mecsim.scenario.gpu_catalogue import adapter_names, adapter_params, adapter_source, gpu_card, gpu_names

CATALOG = files("mecsim.scenario").joinpath("catalog")


@pytest.mark.parametrize("name", gpu_names())
def test_cards_are_plausible_and_have_a_source(name):
    card = gpu_card(name)
    assert card.name == name
    assert 0.1 < card.peak_tflops < 2000
    assert 5 <= card.board_power_w <= 1500
    # An idle card draws from a hundredth of that (a phone switches it off) to a quarter (all clocks on).
    assert 0.01 * card.board_power_w <= card.idle_power_w <= 0.25 * card.board_power_w
    assert 4 <= card.memory_gb <= 200
    assert "idle" in card.source, "a source says where the idle power comes from"
    assert len(card.source) > 10
    assert any(character.isdigit() for character in card.source), "a source has a year"


@pytest.mark.parametrize("name", adapter_names())
def test_adapters_are_plausible_and_have_a_source(name):
    assert 1e4 < adapter_params(name) < 1e8
    assert len(adapter_source(name)) > 10


def test_the_catalogue_has_no_other_keys():
    for card in tomllib.loads(CATALOG.joinpath("gpus.toml").read_text("utf-8")).values():
        assert set(card) == {"peak_tflops", "board_power_w", "idle_power_w", "memory_gb", "source"}
    for adapter in tomllib.loads(CATALOG.joinpath("adapters.toml").read_text("utf-8")).values():
        assert set(adapter) - {"params", "bottleneck", "lora"} == {"source"}
        assert len(adapter) == 2


def test_cards_that_differ_in_precision_alone_share_power_and_memory():
    """Mutant: a figure mended for one precision and not for the other."""
    by_card = dict[str, set[tuple[float, float, float]]]()
    for name in gpu_names():
        card = gpu_card(name)
        by_card.setdefault(name.rpartition("-")[0], set()).add(
            (card.board_power_w, card.idle_power_w, card.memory_gb)
        )
    assert [name for name, values in by_card.items() if len(values) > 1] == []


def test_base_models_have_the_shape_that_their_size_follows_from():
    """A layer of a transformer has about 12 width^2 parameters, fewer with grouped heads; tables of words add
    up to half. Mutant: layers and width exchanged, or a size in millions."""
    for name, model in tomllib.loads(CATALOG.joinpath("base_models.toml").read_text("utf-8")).items():
        assert set(model) == {"params", "layers", "width", "source"}, name
        assert 0.4 < 12 * model["layers"] * model["width"] ** 2 / model["params"] < 1.1, name
        assert any(character.isdigit() for character in model["source"])


def test_the_cards_of_the_paper_have_the_kappa_of_the_model():
    """docs/model.md 3: kappa = board power / peak^3. Mutant: the boost clock or the power of another card."""
    for name, kappa in (("GTX1080-fp32", 2.577e-37), ("A100-fp32", 5.394e-38)):
        card = gpu_card(name)
        assert card.board_power_w / (card.peak_tflops * 1e12) ** 3 == pytest.approx(kappa, rel=2e-4)


def test_sizes_of_adapters():
    assert adapter_params("llama-adapter-v1") == 1.2e6
    assert adapter_params("llama-adapter-v2") == 14e6
    # d1*r + r + r*d2 + d2 for each of 24. Mutant: the biases left out.
    assert adapter_params("bottleneck-bert-base-r64") == 24 * (768 * 64 + 64 + 64 * 768 + 768)
    # As published: 0.3M, 0.8M, 4.7M.
    assert adapter_params("lora-roberta-base-r8") == pytest.approx(0.3e6, rel=0.05)
    assert adapter_params("lora-roberta-large-r8") == pytest.approx(0.8e6, rel=0.05)
    assert adapter_params("lora-gpt3-175b-r1") == pytest.approx(4.7e6, rel=0.01)
    assert adapter_params("lora-llama-7b-r8") == 4_194_304
    assert adapter_params("lora-qwen2.5-0.5b-r8") == 8 * 24 * (2 * 896 + 896 + 128)
    assert adapter_params("lora-tinyllama-1.1b-r8") == 8 * 22 * (2 * 2048 + 2048 + 256)

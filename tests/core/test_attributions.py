"""Every attribution against the definition of its paper, in double precision; and what each refuses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional

from tests.oracles import attributions as oracle
from worker.contract.errors import InvalidSpec, UnsupportedAttribution
from worker.contract.spec import Method
from worker.core.attributions import ATTRIBUTIONS
from worker.core.attributions.base import Attributed
from worker.core.attributions.rise import Rise

HEIGHT, WIDTH, CLASSES = 6, 8, 4
MEAN, STD = [0.4, 0.6], [0.2, 0.5]


class Wrapped(nn.Module):
    """Normalises [0,1] pixels and keeps the network under the name that the service's own wrapper uses."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        mean, std = (torch.tensor(values, dtype=pixels.dtype).view(1, -1, 1, 1) for values in (MEAN, STD))
        return self.network((pixels - mean) / std)


def net() -> Wrapped:
    """Convolutions, batch norm with numbers of its own, ReLUs, max pooling and a linear layer."""
    torch.manual_seed(11)
    norm = nn.BatchNorm2d(5)
    norm.running_mean, norm.running_var = torch.randn(5), torch.rand(5) + 0.5
    norm.weight.data, norm.bias.data = torch.rand(5) + 0.5, torch.randn(5)
    body = [nn.Conv2d(2, 5, 3, padding=1), norm, nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 6, 3, padding=1), nn.ReLU()]
    network = nn.Sequential(*body, nn.Flatten(), nn.Dropout(0.5), nn.Linear(6 * 12, CLASSES))
    return Wrapped(network).double().eval().requires_grad_(False)


def written_out() -> list[oracle.Layer]:
    """The same network as lists of weights."""
    parts = net().network
    first, norm, second, last = parts[0], parts[1], parts[4], parts[8]
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - norm.running_mean * scale
    std, mean = np.array(STD), np.array(MEAN)
    return [
        oracle.per_channel(1 / std, -mean / std, HEIGHT * WIDTH, stabilised=False),
        oracle.convolution(first.weight.numpy(), first.bias.numpy(), HEIGHT, WIDTH),
        oracle.per_channel(scale.numpy(), shift.numpy(), HEIGHT * WIDTH, stabilised=True),
        oracle.Relu(),
        oracle.pool_2x2(5, HEIGHT, WIDTH),
        oracle.convolution(second.weight.numpy(), second.bias.numpy(), HEIGHT // 2, WIDTH // 2),
        oracle.Relu(),
        oracle.Dense(last.weight.numpy(), last.bias.numpy()),
    ]


def pixels(count: int = 3) -> Tensor:
    return torch.rand((count, 2, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def attribute(
    name: str, model: nn.Module, images: Tensor, target: int | None = 1, seed: int = 0, **params: object
) -> Attributed:
    method = ATTRIBUTIONS.build(Method.model_validate({"name": name, **params}), "/spec/attribution")
    return method(model, images, target, np.random.default_rng(seed))


def logit(model: nn.Module, chosen: int) -> Callable[[ndarray], float]:
    return lambda image: float(model(torch.from_numpy(image)[None])[0, chosen])


def close(values: Tensor, expected: ndarray, tolerance: float = 1e-9) -> bool:
    return np.allclose(values.numpy(), expected, rtol=tolerance, atol=tolerance)


def test_the_written_out_network_is_the_network() -> None:
    logits = net()(pixels())
    for row, image in enumerate(pixels().numpy()):
        assert close(logits[row], oracle.forward(written_out(), image.ravel())[-1])


@pytest.mark.parametrize("chosen", range(CLASSES))
def test_input_x_gradient_against_central_differences(chosen: int) -> None:
    values = attribute("input_x_gradient", net(), pixels(), chosen).values
    for row, image in enumerate(pixels().numpy()):
        assert close(values[row], image * oracle.slopes(logit(net(), chosen), image), 1e-6)


@pytest.mark.parametrize(("kind", "level"), [("zero", 0.0), ("mean-grey", None), (0.25, 0.25)])
def test_integrated_gradients_by_the_midpoint_rule(kind: object, level: float | None) -> None:
    values = attribute("integrated_gradients", net(), pixels(1), 2, steps=5, baseline=kind).values
    image = pixels(1).numpy()[0]
    start = np.full_like(image, image.mean() if level is None else level)
    total = np.zeros_like(image)
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        total += oracle.slopes(logit(net(), 2), start + share * (image - start)) / 5
    assert close(values[0], (image - start) * total, 1e-6)


def test_integrated_gradients_are_complete() -> None:
    """They sum to logit(x) - logit(baseline), better with more steps: 16 are within 5 % here, 512 within 0.2 %."""
    model, images = net(), pixels(8)
    error = {}
    for steps in (1, 16, 512):
        result = attribute("integrated_gradients", model, images, None, steps=steps, baseline=0.5)
        chosen = result.logits.argmax(dim=1)
        ends = model(torch.full_like(images, 0.5)).gather(1, chosen[:, None])[:, 0]
        whole = result.logits.amax(dim=1) - ends
        error[steps] = float((result.values.sum(dim=(1, 2, 3)) - whole).abs().max() / whole.abs().max())
    assert error[512] < 0.002 and error[16] < 0.05 < error[1]


@pytest.mark.parametrize("chosen", range(CLASSES))
def test_guided_backprop_against_the_backward_pass_by_hand(chosen: int) -> None:
    values = attribute("guided_backprop", net(), pixels(), chosen).values
    plain = attribute("gradient", net(), pixels(), chosen).values
    for row, image in enumerate(pixels().numpy()):
        assert close(values[row].flatten(), oracle.guided(written_out(), image.ravel(), chosen))
    assert not torch.allclose(values, plain), "the network must have negative gradients to stop"


@pytest.mark.parametrize("epsilon", [1e-9, 0.01, 0.5, 10.0])
def test_lrp_epsilon_against_the_rule_neuron_by_neuron(epsilon: float) -> None:
    for chosen in range(CLASSES):
        values = attribute("lrp_epsilon", net(), pixels(2), chosen, epsilon=epsilon).values
        for row, image in enumerate(pixels(2).numpy()):
            assert close(values[row].flatten(), oracle.lrp(written_out(), image.ravel(), chosen, epsilon))


class Residual(nn.Module):
    """A sum and a concatenation between modules, one ReLU used three times, and pooling by a function."""

    def __init__(self, *, bias: bool, inplace: bool = False) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first, self.second = (nn.Conv2d(into, 4, 3, padding=1, bias=bias) for into in (2, 4))
        self.relu = nn.ReLU(inplace=inplace)
        self.last = nn.Linear(8, CLASSES, bias=bias)
        self.double().eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        early = self.relu(self.first(pixels))
        late = self.relu(self.second(early))
        late = self.relu(late + early)
        return self.last(torch.cat([late, early], dim=1).mean(dim=(2, 3)))


def test_lrp_without_epsilon_is_input_x_gradient_through_sums_and_concatenations() -> None:
    model = Residual(bias=True)
    relevance = attribute("lrp_epsilon", model, pixels(), epsilon=1e-12).values
    assert torch.allclose(relevance, attribute("input_x_gradient", model, pixels()).values)
    assert not torch.allclose(relevance, attribute("lrp_epsilon", model, pixels(), epsilon=1.0).values)


def test_lrp_hands_back_the_whole_logit_where_nothing_absorbs_it() -> None:
    """Without biases and epsilon; a large epsilon absorbs, as the control."""
    model = Residual(bias=False)
    for epsilon, kept in [(1e-12, True), (1.0, False)]:
        result = attribute("lrp_epsilon", model, pixels(), None, epsilon=epsilon)
        assert torch.allclose(result.values.sum(dim=(1, 2, 3)), result.logits.amax(dim=1)) is kept


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("guided_backprop", {}),
        ("lrp_epsilon", {}),
        ("grad_cam", {}),
        ("grad_cam", {"layer": "second"}),
        ("grad_cam_plus_plus", {"layer": "second"}),
    ],
)
def test_modules_that_work_in_place_change_nothing(name: str, params: dict[str, object]) -> None:
    """The ReLU after a layer overwrites its output after the hook has seen it."""
    kept, overwritten = (
        attribute(name, Residual(bias=True, inplace=flag), pixels(), **params).values for flag in (False, True)
    )
    assert torch.equal(kept, overwritten)


class Function(nn.Module):
    """A linear layer after any function of the pixels."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.function, self.last = function, nn.Linear(2 * HEIGHT * WIDTH, CLASSES)
        self.double().eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.last(self.function(pixels).flatten(start_dim=1))


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (functional.relu, "Relu"),
        (lambda x: nn.ReLU()(x - 0.5), "Relu"),
        (lambda x: x.clamp(min=0.3), "Clamp"),
        (lambda x: torch.maximum(x, x * 0), "Maximum"),
        (nn.GELU(), "Gelu"),
        (nn.ReLU6(), "Hardtanh"),
        (lambda x: x * 2, "none"),
    ],
)
def test_guided_backprop_refuses_activations_it_cannot_guide(function: Callable[[Tensor], Tensor], named: str) -> None:
    """Functions, modules made on the fly, other rectifiers, and networks without any."""
    with pytest.raises(UnsupportedAttribution, match=named):
        attribute("guided_backprop", Function(function), pixels())


def test_guided_backprop_refuses_one_unseen_relu_among_seen_ones() -> None:
    model = Function(nn.Sequential(nn.ReLU(), nn.Conv2d(2, 2, 1)))
    attribute("guided_backprop", model, pixels())
    both = nn.Sequential(model.function, nn.ReLU())
    hidden = Function(lambda x: functional.relu(both(x)))
    hidden.both = both
    with pytest.raises(UnsupportedAttribution, match="Relu"):
        attribute("guided_backprop", hidden, pixels())


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (nn.Sigmoid(), "Sigmoid"),
        (nn.GELU(), "Gelu"),
        (nn.LayerNorm(WIDTH), "NativeLayerNorm"),
        (lambda x: x * x.mean(dim=(2, 3), keepdim=True), "Mul"),
        (lambda x: torch.ones_like(x) / (x + 1), "Div"),
        (lambda x: functional.conv2d(x, torch.ones(2, 2, 1, 1).to(x)), "Convolution"),
    ],
)
def test_lrp_refuses_operations_without_a_rule_by_name(function: Callable[[Tensor], Tensor], named: str) -> None:
    with pytest.raises(UnsupportedAttribution, match=named):
        attribute("lrp_epsilon", Function(function), pixels())


@pytest.mark.parametrize("function", [lambda x: x / 2, lambda x: 2 * x - 1, lambda x: functional.pad(x, (1, -1))])
def test_lrp_takes_what_is_linear(function: Callable[[Tensor], Tensor]) -> None:
    model = Function(function)
    relevance = attribute("lrp_epsilon", model, pixels(), epsilon=1e-12).values
    assert torch.allclose(relevance, attribute("input_x_gradient", model, pixels()).values)


@pytest.mark.parametrize("layer", [3, 4, 5])
@pytest.mark.parametrize("chosen", range(CLASSES))
def test_grad_cam_and_its_successor_against_the_formulas(layer: int, chosen: int) -> None:
    """With the gradient at the layer by central differences of the rest of the network.

    Layers before the max pooling would not do: among equal zeros its output has no derivative to difference.
    """
    model = net()
    head, tail = model.network[: layer + 1], model.network[layer + 1 :]
    mean, std = (torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1) for values in (MEAN, STD))
    first = attribute("grad_cam", model, pixels(), chosen, layer=str(layer)).values
    second = attribute("grad_cam_plus_plus", model, pixels(), chosen, layer=str(layer)).values
    for row, maps in enumerate(head((pixels() - mean) / std).numpy()):
        score = logit(tail, chosen)(maps)
        gradient = oracle.slopes(logit(tail, chosen), maps, 1e-7)
        assert close(first[row], oracle.bilinear(oracle.grad_cam(maps, gradient), HEIGHT, WIDTH), 1e-5)
        # The service leaves out the factor exp(score), which is one number per image.
        full = oracle.grad_cam_plus_plus(maps, score, gradient) / np.exp(score)
        assert close(second[row], oracle.bilinear(full, HEIGHT, WIDTH), 1e-5)


def test_the_layer_is_the_named_one_else_the_models_else_the_last_with_maps() -> None:
    model = net()
    named = {layer: attribute("grad_cam", model, pixels(), layer=layer).values for layer in ("2", "4", "5")}
    assert torch.equal(attribute("grad_cam", model, pixels()).values, named["5"])
    model.cam_layer = "4"
    assert torch.equal(attribute("grad_cam", model, pixels()).values, named["4"])
    assert torch.equal(attribute("grad_cam", model, pixels(), layer="2").values, named["2"])
    assert not torch.equal(named["2"], named["4"])


def test_a_layer_of_single_places_is_not_found_by_itself() -> None:
    pooled = nn.Sequential(nn.Conv2d(2, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, CLASSES)).double()
    assert torch.equal(
        attribute("grad_cam", pooled, pixels()).values, attribute("grad_cam", pooled, pixels(), layer="0").values
    )


@pytest.mark.parametrize("name", ["grad_cam", "grad_cam_plus_plus"])
def test_layers_that_cannot_be_looked_at_are_refused(name: str) -> None:
    with pytest.raises(InvalidSpec, match="no module called 'network_5'") as caught:
        attribute(name, net(), pixels(), layer="network_5")
    assert caught.value.pointer == "/spec/attribution/layer"
    with pytest.raises(UnsupportedAttribution, match="gives no maps"):
        attribute(name, net(), pixels(), layer="8")
    with pytest.raises(UnsupportedAttribution, match="gives no maps"):
        attribute(name, Function(nn.ReLU()), pixels(), layer="last")
    with pytest.raises(UnsupportedAttribution, match="no module of the network gives"):
        attribute(name, nn.Sequential(nn.Flatten(), nn.Linear(2 * HEIGHT * WIDTH, 2)).double(), pixels())

    class Ignoring(Function):
        def forward(self, pixels: Tensor) -> Tensor:
            self.function(pixels)
            return self.last(pixels.flatten(start_dim=1))

    with pytest.raises(UnsupportedAttribution, match="no influence"):
        attribute(name, Ignoring(nn.Conv2d(2, 2, 1)), pixels(), layer="function")


@pytest.mark.parametrize(("window", "stride", "windows"), [(1, 1, 48), (2, 2, 12), (3, 2, 12), (4, 3, 6), (6, 4, 2)])
@pytest.mark.parametrize(("fill", "level"), [("zero", 0.0), ("mean-grey", None), (0.7, 0.7)])
def test_occlusion_window_by_window(window: int, stride: int, windows: int, fill: object, level: float | None) -> None:
    values = attribute("occlusion", net(), pixels(2), 3, window=window, stride=stride, fill=fill).values
    for row, image in enumerate(pixels(2).numpy()):
        painted = image.mean() if level is None else level
        expected, count = oracle.occlusion(logit(net(), 3), image, window, stride, painted)
        assert close(values[row], expected) and count == windows


def test_occlusion_refuses_windows_that_do_not_fit() -> None:
    for params in ({"window": 7}, {"stride": 2}, {"window": 2, "stride": 3}):
        with pytest.raises(InvalidSpec):
            attribute("occlusion", net(), pixels(), **params)
    attribute("occlusion", net(), pixels(), window=6)


@pytest.mark.parametrize(("cells", "p"), [(1, 0.5), (3, 0.3), (4, 0.5), (6, 0.8)])
def test_rise_mask_by_mask(cells: int, p: float) -> None:
    """The draws are replayed; the masks, the softmax and the sum are the oracle's own."""
    values = attribute("rise", net(), pixels(), 1, seed=9, masks=20, cells=cells, p=p).values
    draws = np.random.default_rng(9)
    tall, wide = -(-HEIGHT // cells), -(-WIDTH // cells)
    masks: list[list[ndarray]] = [[], [], []]
    for _ in range(20):
        grid = draws.random((3, 1, cells, cells)) < p
        down, right = draws.integers(tall, size=3), draws.integers(wide, size=3)
        for row in range(3):
            masks[row].append(oracle.rise_mask(grid[row, 0], down[row], right[row], HEIGHT, WIDTH))

    def probability(image: ndarray) -> float:
        powers = np.exp(net()(torch.from_numpy(image)[None])[0].numpy())
        return float(powers[1] / sum(powers))

    for row, image in enumerate(pixels().numpy()):
        assert close(values[row], oracle.rise(probability, image, masks[row], p), 1e-6)


def test_rise_masks_keep_a_share_p_everywhere_and_are_fresh() -> None:
    """The mean of 20,000 masks is p at every pixel within five standard errors; no two images share a mask."""
    method, draws = Rise(Rise.Params(cells=3, p=0.3)), np.random.default_rng(0)
    masks = method.draw(torch.zeros((20_000, 1, HEIGHT, WIDTH)), draws)
    assert float(masks.min()) >= 0.0 and float(masks.max()) <= 1.0
    error = (masks.mean(dim=0) - 0.3).abs() / (masks.std(dim=0) / 20_000**0.5)
    assert float(error.max()) < 5.0
    fine = Rise(Rise.Params(cells=8))
    both = torch.cat([fine.draw(torch.zeros((8, 1, 64, 64)), draws) for _ in range(2)])
    assert len(both.flatten(start_dim=1).unique(dim=0)) == 16


def test_rise_refuses_a_grid_finer_than_the_image() -> None:
    with pytest.raises(InvalidSpec, match="finer"):
        attribute("rise", net(), pixels(), cells=7)

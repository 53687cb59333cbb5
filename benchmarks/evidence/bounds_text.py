"""What the first-order bounds show, in words whose numbers are those found, beside what the paper printed."""

from __future__ import annotations

from typing import Any

from benchmarks.evidence.bounds_tables import SHORT, by_kind, by_l2, by_linf, gaps, share


def text(numbers: dict[str, Any], settings: dict[str, Any]) -> str:
    lines = "\n".join(f"* {line}" for line in [*_lines(numbers), *_large(numbers)])
    accuracy = "; ".join(
        f"{name} {100 * of['clean']:.1f} % ({100 * of['attacked']:.1f} % attacked)"
        for name, of in numbers["accuracy"].items()
    )
    return f"""# First-order bounds beside the damage that an attack finds

How far an attribution moves, in l2, when the image moves within a ball: T_e, the bound of Wang and Kong (CVPR 2023),
which holds if the attribution is linear there; T'_e, the same times a factor from its own worst move; and the damage
that an attack finds. **First order, not a certificate**: nothing here is proven, and "outside" counts the exceptions.
The tables follow the paper's Tables 2 to 5, with what it printed for MNIST (Table 2: for CIFAR-10) beside.

* Data: 9,000 MNIST images in an order drawn once (seed {settings["seed"]}): the first {settings["train"]:,} train, the
  last {settings["test"]:,} test, of which the first {settings["images"]} that the network reads correctly are bounded
  and attacked. The paper trains on 60,000 and tests on 10,000.
* Networks: four convolutions, two of them with stride 2, and three linear layers, {settings["epochs"]} epochs. AT and
  TRADES train against l-infinity PGD of radius {settings["training_radius"]:g}. `pooled` is `standard` with
  max pooling for the strides: its gradient jumps, which breaks the bounds' assumption; it is not in the paper. Widths,
  epochs and radius are ours; the paper's main text names none. Accuracy on the test images, and attacked
  within that radius: {accuracy}.
* Bounds and damage are those of the network with softplus (beta {settings["beta"]:g}; the paper names none) for ReLU;
  "real" is the damage of the same moves on the network with ReLU. Integrated gradients: {settings["steps"]} midpoints,
  from black.
* Attack: ascent on the distance itself, {settings["ascent"]} steps from {settings["restarts"]} starts, two of them the
  bound's own worst move, of either sign; moves may leave [0,1]. The paper attacks the class (l2) or the top-k set
  (l-infinity), 20 times each.
* Damage is the mean over the starts and images, the worst start's mean in brackets. r is the least, over the images,
  of the bound (T'_e for l2) less the mean damage; in brackets less the worst.

## l2, the label unchanged (Table 3): integrated gradients

{by_l2(numbers)}

## l-infinity, the label unchanged (Table 4): integrated gradients

{by_linf(numbers)}

## Tightness r (Table 5)

{gaps(numbers)}

## Without the label constraint (Table 2): TRADES, all attributions

{by_kind(numbers)}

The paper's rows are for TRADES+IGR, a ResNet-18, on CIFAR-10.

## What it shows

{lines}

![Worst damage found beside the bound](bounds.png)

Made with `make evidence-bounds`; all numbers are in `bounds.json`.
"""


def _lines(numbers: dict[str, Any]) -> list[str]:
    every = [found[kind] for found in numbers["found"].values() for kind in found]
    facts = [kind["facts"] for kind in every]
    departures = [fact["departure"] for fact in facts]
    return [
        *(_outside(name, found) for name, found in numbers["found"].items()),
        f"The largest singular value by Lanczos agrees with that of the whole Jacobian to "
        f"{max(fact['away_from_svd'] for fact in facts):.1e}, relatively; residual at most "
        f"{max(fact['residual'] for fact in facts):.1e}, {max(fact['products'] for fact in facts):.0f} products at "
        "most on average.",
        f"For l-infinity the lp relaxation is {min(fact['relaxation'] for fact in facts):.1f} to "
        f"{max(fact['relaxation'] for fact in facts):.1f} times the absolute sum.",
        f"The map of the softened network departs from that of the real one by {share(min(departures))} to "
        f"{share(max(departures))} of its length, on average: the bounds are about the former.",
        "One sign of the bound's worst move leaves the label as it is, to first order, up to l2 "
        f"{min(fact['label_kept'] for fact in facts):.2g} in every image: up to there the label constraint, which "
        "changes no bound, does not make it looser either.",
    ]


def _outside(name: str, found: dict[str, Any]) -> str:
    """How often the attacks exceed the bounds of this model where they do so most, over attributions and radii."""

    def most(norm: str, column: str) -> str:
        return share(max(at[column] for kind in found.values() for at in kind[norm].values()))

    return (
        f"{name}: at the worst radius and attribution {most('l2', 'free_outside')} of the attacks exceed T_e "
        f"with l2, {most('l2', 'free_outside_adapted')} exceed T'_e, and {most('linf', 'free_outside')} exceed T_e "
        "with l-infinity."
    )


def _large(numbers: dict[str, Any]) -> list[str]:
    return [
        f"SqueezeNet, one photograph of 224 x 224 pixels, {SHORT[kind]}: xi_max {at['xi']:.4g} after "
        f"{at['products']:.0f} products in {at['seconds']:.0f} s, residual {at['residual']:.1e}."
        for kind, at in numbers["large"].items()
    ]

"""Tasks of training: harmonization, or the matte. The loop in ``trainer`` is the same for both."""

from typing import Protocol

import torch
from torch import Tensor, nn

from phnet.networks import PHNet, PHNetConfig
from phnet.networks.mattenet import MatteConfig, MatteNet, iou, matting_loss
from phnet.networks.released import ReleasedConfig, ReleasedPHNet
from phnet.training.losses import TERMS, objective

Config = PHNetConfig | MatteConfig | ReleasedConfig
Network = PHNet | MatteNet | ReleasedPHNet
Planes = dict[str, Tensor]  # composite, real (B, 3, S, S) in [0, 1]; mask (B, 1, S, S)


class Task(Protocol):
    """One kind of network: how it is run, scored and shown."""

    measures: tuple[str, ...]  # means over the validation set; the lower the first, the better
    objective: tuple[str, ...]  # terms of [loss] that it knows

    def predict(self, net: nn.Module, planes: Planes) -> Tensor:
        """Run the network; under autocast where the recipe says so."""

    def loss(self, predicted: Tensor, planes: Planes, weights: dict[str, float]) -> Tensor:
        """One value an image (B,)."""

    def score(self, net: nn.Module, planes: Planes) -> Tensor:
        """The measures of each image, (B, measures), float64."""

    def column(self, net: nn.Module, planes: Planes) -> Tensor:
        """Three pictures one above the other, (3, 3 S, S), of a batch of one."""


class Harmonizing:
    """PHNet: from composite and mask to the harmonized picture."""

    measures: tuple[str, ...] = ("val_mse", "val_untouched", "val_psnr")
    objective: tuple[str, ...] = tuple(TERMS)

    def predict(self, net: nn.Module, planes: Planes) -> Tensor:
        """The blended picture (B, 3, S, S)."""
        predicted: Tensor = net(planes["composite"], planes["mask"], planes.get("light"))
        return predicted

    def shown(self, net: nn.Module, planes: Planes) -> Tensor:
        """Result as a user sees it, (B, 3, S, S)."""
        return self.predict(net, planes)

    def loss(self, predicted: Tensor, planes: Planes, weights: dict[str, float]) -> Tensor:
        """The paper's objective (eq. 15)."""
        terms = {name: weights[name] for name in self.objective}
        return objective(predicted, planes["real"], planes["mask"], terms)

    def score(self, net: nn.Module, planes: Planes) -> Tensor:
        """MSE, the composite's own MSE, and PSNR, on [0, 255]."""
        mse = _mse_255(self.shown(net, planes), planes["real"])
        untouched = _mse_255(planes["composite"], planes["real"])
        psnr = 10 * torch.log10(255**2 / mse.clamp_min(1e-3))
        return torch.stack([mse, untouched, psnr], 1)

    def column(self, net: nn.Module, planes: Planes) -> Tensor:
        """Composite, harmonized, real."""
        harmonized = self.shown(net, planes).float()
        return torch.cat([planes["composite"].float(), harmonized, planes["real"].float()], 2)[0]


class Releasing(Harmonizing):
    """The released network as its authors trained it: judged before its picture is blended."""

    def predict(self, net: nn.Module, planes: Planes) -> Tensor:
        """The network's own picture (B, 3, S, S), background included."""
        predicted: Tensor = net(planes["composite"], planes["mask"], False)
        return predicted

    def shown(self, net: nn.Module, planes: Planes) -> Tensor:
        """The blended picture (B, 3, S, S)."""
        blended: Tensor = net(planes["composite"], planes["mask"])
        return blended


class Relighting(Harmonizing):
    """PHNet with a statistics branch: the paper's task, and pastes from another light.

    ``val_error`` adds the two tasks up; foreign light errs about five times as much, and counts a
    fifth. The paper's task is scored at light 0, the other at 1, photos that need nothing at both.
    """

    measures: tuple[str, ...] = (
        "val_error",
        *Harmonizing.measures,
        "val_relit_mse",
        "val_relit_untouched",
        "val_nothing_0",
        "val_nothing_1",
    )

    def score(self, net: nn.Module, planes: Planes) -> Tensor:
        """The measures, on [0, 255]."""
        paper = super().score(net, planes)
        mask, real = planes["mask"], planes["real"]
        ones = torch.ones_like(planes["light"])
        found = []
        if "relit" in planes:
            relit = {"composite": planes["relit"], "mask": mask, "light": ones}
            found += [_mse_255(self.predict(net, relit), planes["relit_real"])]
            found += [_mse_255(planes["relit"], planes["relit_real"])]
        else:
            found += [torch.zeros_like(paper[:, 0])] * 2
        for light in (ones * 0, ones):
            nothing = {"composite": real, "mask": mask, "light": light}
            found.append(_mse_255(self.predict(net, nothing), real))
        return torch.cat([(paper[:, 0] + found[0] / 5)[:, None], paper, torch.stack(found, 1)], 1)

    def column(self, net: nn.Module, planes: Planes) -> Tensor:
        """Composite, harmonized, real, of the paste under foreign light where there is one."""
        if "relit" in planes:
            planes = {
                "composite": planes["relit"],
                "mask": planes["mask"],
                "real": planes["relit_real"],
                "light": torch.ones_like(planes["light"]),
            }
        return super().column(net, planes)


class Matting:
    """MatteNet: from a photo, or a composite, to the person's alpha."""

    measures: tuple[str, ...] = ("val_error", "val_iou")
    objective: tuple[str, ...] = ("bce", "iou")

    def predict(self, net: nn.Module, planes: Planes) -> Tensor:
        """Logits (B, 1, S, S)."""
        predicted: Tensor = net(planes["composite"])
        return predicted

    def loss(self, predicted: Tensor, planes: Planes, weights: dict[str, float]) -> Tensor:
        """Cross-entropy and soft IoU."""
        return matting_loss(predicted, planes["mask"], weights)

    def score(self, net: nn.Module, planes: Planes) -> Tensor:
        """1 - IoU and IoU on real photos, not on the composites made of them."""
        found = iou(net(planes["real"]), planes["mask"])
        return torch.stack([1 - found, found], 1)

    def column(self, net: nn.Module, planes: Planes) -> Tensor:
        """Photo, alpha, the mask."""
        photo = planes["real"].float()
        alpha = torch.sigmoid(net(planes["real"])).expand_as(photo)
        return torch.cat([photo, alpha, planes["mask"].float().expand_as(photo)], 2)[0]


def task_of(config: Config) -> Task:
    """Find the task that a network of this configuration is trained for."""
    if isinstance(config, MatteConfig):
        return Matting()
    if isinstance(config, ReleasedConfig):
        return Releasing()
    return Relighting() if config.statistics else Harmonizing()


def network(config: Config) -> Network:
    """A fresh network."""
    if isinstance(config, ReleasedConfig):
        net = ReleasedPHNet(config.widths, config.grids)
        for part in net.unreached():
            part.requires_grad_(False)  # several processes would wait for their gradients
        return net
    return MatteNet(config) if isinstance(config, MatteConfig) else PHNet(config)


def _mse_255(predicted: Tensor, real: Tensor) -> Tensor:
    """Per-image MSE (B,) on [0, 255], float64, of the picture rounded to 8 bits."""
    rounded = (predicted.double().clamp(0, 1) * 255).round()
    return (rounded - real.double() * 255).square().mean((1, 2, 3))

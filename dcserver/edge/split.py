"""Where to cut a network between device and cloud: all cuts at once. Taught in chapter 14."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.catalog import Accelerator, Radio, dtype_bytes
from dcserver.checks import require_between, require_non_negative, require_positive
from dcserver.edge.access import access_mean, radio_energy, send_time
from dcserver.edge.networks import Network
from dcserver.edge.path import Constants, round_trip
from dcserver.edge.running import idle_power, run

PARTS = ("on the device", "radio", "sending", "distance", "in the cloud")
_ANSWER_BYTES = 100.0


@dataclass(frozen=True)
class Split:
    """Every cut of a network; the last axis runs over the cuts: 0 sends the input, the last sends nothing.

    ``breakdown`` sums to ``latency``. ``names`` says after which layer each cut lies. Taught in chapter 14.

    Attributes
    ----------
    names : tuple of str
        After which layer each cut lies.
    latency : s
        From input to answer.
    device_energy : J
        That the device spends.
    sent : B
        Over the link.
    breakdown : s
        By cause; sums to ``latency``.
    """

    names: tuple[str, ...]
    latency: np.ndarray
    device_energy: np.ndarray
    sent: np.ndarray
    breakdown: dict[str, np.ndarray]

    @property
    def fastest(self) -> Any:
        """Index of the cut with the least latency."""
        return self.latency.argmin(-1)

    @property
    def thriftiest(self) -> Any:
        """Index of the cut with the least energy on the device."""
        return self.device_energy.argmin(-1)

    def where(self, cut: Any) -> Any:
        """What a cut is called: "all in the cloud", "after ...", "all on the device"."""
        words = np.array(
            ["all in the cloud", *(f"after {n}" for n in self.names[1:-1]), "all on the device"], dtype=object
        )
        found = words[np.asarray(cut)]
        return found if np.ndim(cut) else str(found)

    def __str__(self) -> str:
        if self.latency.ndim > 1:
            return f"{self.latency[..., 0].size} times {len(self.names)} cuts"
        at = self.fastest
        return f"fastest: {self.where(at)}, {1e3 * self.latency[at]:.3g} ms; " \
               f"thriftiest: {self.where(self.thriftiest)}, {1e3 * self.device_energy.min():.3g} mJ"  # fmt: skip


def split(network: Network, device: Accelerator, cloud: Accelerator, radio: Radio, *, distance: Any = 0.0,
          uplink: Any = None, dtype: str = "int8", cloud_dtype: str = "fp16", feature_dtype: str = "int8",
          input_bytes: Any = None, feature_compression: Any = 1.0, constants: Constants | None = None) -> Split:  # fmt: skip
    """Latency and device energy of every way to cut a network in two.

    Parameters
    ----------
    network : Network
        From ``resnet`` or ``encoder``.
    device, cloud : Accelerator
        Where the first and the second part run, one input at a time.
    radio : Radio
        The device's first hop.
    distance : float or array
        From the first hop to the cloud, straight line [m].
    uplink : float or array, optional
        Rate of the uplink [B/s]; the radio's own if not given.
    dtype, cloud_dtype : str
        Number formats in which the two parts run.
    feature_dtype : str
        Format in which features cross: "int8" is a quarter of "fp32".
    input_bytes : float or array, optional
        What cut 0 sends [B], a JPEG say; the input's numbers at a byte each if not given.
    feature_compression : float or array
        How many times smaller a coder makes the features [1], 1 or more.
    constants : mapping, optional
        Constants of the family "edge".

    Returns
    -------
    Split
        With one axis for the cuts after those to which the other inputs broadcast. Equation: device layers up to the
        cut + first hop + bytes / uplink + fibre + cloud layers after the cut + 100 bytes back; the last cut needs no
        network. Energy: joules of the layers + joules of the bytes + waiting at idle. Fails for weights that the
        device has no memory for, and leaves out the queue of the cloud.

    Raises
    ------
    ValueError
        For a rate that is not positive, or a compression below 1.

    Notes
    -----
    Source of the method: Kang et al. 2017 (ASPLOS), Neurosurgeon. Taught in chapter 14.

    >>> from dcserver import catalog
    >>> from dcserver.edge.networks import resnet
    >>> cuts = split(resnet(50), catalog.accelerator("Orin"), catalog.accelerator("H100"), catalog.radio("4G LTE"))
    >>> cuts.where(cuts.fastest)
    'all on the device'
    """
    rate = radio.uplink if uplink is None else uplink
    first = network.input_elements if input_bytes is None else input_bytes
    require_positive(uplink=rate, input_bytes=first)
    require_non_negative(distance=distance)
    require_between(1, 1e6, feature_compression=feature_compression)
    rate, far, first, squeeze = (np.asarray(v, dtype=float)[..., None] for v in
                                 (rate, distance, first, feature_compression))  # fmt: skip
    here, there = run(network, device, dtype), run(network, cloud, cloud_dtype)

    done = np.concatenate([[0.0], np.cumsum(here.layer_time)])
    spent = np.concatenate([[0.0], np.cumsum(here.layer_energy)])
    left = there.layer_time.sum() - np.concatenate([[0.0], np.cumsum(there.layer_time)])
    last = np.arange(len(done)) == len(done) - 1
    features = np.concatenate([[0.0], network.cut_elements]) * dtype_bytes(feature_dtype) / squeeze
    sent = np.where(last, 0.0, np.where(np.arange(len(done)) == 0, first, features))
    hop = np.where(last, 0.0, access_mean(radio))
    back = np.where(last, 0.0, send_time(_ANSWER_BYTES, radio.downlink, constants))
    fibre = np.where(last, 0.0, round_trip(far, constants=constants))
    each = np.broadcast_arrays(done, hop, send_time(sent, rate, constants), fibre + back,
                               np.where(last, 0.0, np.maximum(left, 0.0)))  # fmt: skip
    parts = dict(zip(PARTS, each, strict=True))
    latency = np.sum(each, axis=0)
    waiting = latency - parts["on the device"]
    joules = spent + radio_energy(radio, sent, np.where(last, 0.0, _ANSWER_BYTES), waiting, constants)
    sent = np.broadcast_to(sent, latency.shape)
    return Split(("input", *network.layers), latency, joules + waiting * idle_power(device), sent, parts)
